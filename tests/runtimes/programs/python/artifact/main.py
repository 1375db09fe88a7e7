from pathlib import Path

Path("out").mkdir()
Path("out/result.txt").write_text("made\n")
