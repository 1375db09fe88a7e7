"""What a Java file declares: its package, its types, and which of them can be started."""

from __future__ import annotations

import re
from dataclasses import dataclass

__all__ = ["JavaSource", "read_java"]

# No part of a pattern can be tried again and again: the text is anybody's, and is read by the worker.
_NOISE = re.compile(
    r"""//[^\n]*|/\*.*?(?:\*/|\Z)|\"{3}.*?(?:\"{3}|\Z)|"(?:\\.|[^"\\\n])*"?|'(?:\\.|[^'\\\n])*'?""", re.DOTALL
)
_PACKAGE = re.compile(r"^[ \t]*package\s+([\w.]+)\s*;", re.MULTILINE)
_TYPE = re.compile(
    r"\b((?:(?:public|private|protected|abstract|final|sealed|strictfp|static)\s+){0,6})(?:class|interface|enum|record)\s+(\w+)"
)
_MAIN = re.compile(r"\bstatic\s+(?:(?:public|final|synchronized|strictfp)\s+){0,4}void\s+main\s*\(")
_MOST_BYTES = 256 << 10


@dataclass(frozen=True, slots=True)
class JavaSource:
    """The names are those of top-level types. `public` is the one after which the file must be called."""

    package: str
    public: str | None
    main: str | None

    @property
    def main_class(self) -> str | None:
        """The name by which Java starts it; None if it has no `main`."""
        return self.main and (f"{self.package}.{self.main}" if self.package else self.main)


def read_java(content: bytes) -> JavaSource:
    """Read the declarations of a file. Comments and strings do not count."""
    text = _NOISE.sub(" ", content[:_MOST_BYTES].decode("utf-8", "replace"))
    package = _PACKAGE.search(text)
    types = _top_level(text)
    main = _MAIN.search(text)
    starts = [name for at, name, _ in types if main and at < main.start()]
    return JavaSource(
        package[1] if package else "",
        next((name for _, name, is_public in types if is_public), None),
        starts[-1] if starts else None,
    )


def _top_level(text: str) -> list[tuple[int, str, bool]]:
    """Where each top-level type is declared, its name, and whether it is public."""
    found, depth, last = [], 0, 0
    for match in _TYPE.finditer(text):
        depth += text.count("{", last, match.start()) - text.count("}", last, match.start())
        last = match.start()
        if depth == 0:
            found.append((match.start(), match[2], "public" in match[1].split()))
    return found
