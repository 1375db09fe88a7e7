from pathlib import Path

from lib.words import greet

print(greet(Path("lib/name.txt").read_text().strip()))
