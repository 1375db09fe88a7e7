"""Which paths of the packages stay out of an image."""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Iterable
from dataclasses import dataclass

__all__ = ["Trim"]


@dataclass(frozen=True)
class Trim:
    """Globs of absolute paths, in which `*` matches slashes, too.

    A path that `drop` matches is left out with everything below it, except for what `keep` matches.
    """

    drop: re.Pattern[str]
    keep: re.Pattern[str]

    @classmethod
    def of(cls, drop: Iterable[str], keep: Iterable[str]) -> Trim:
        """Compile the globs of a recipe."""
        return cls(_compiled(drop, below=True), _compiled(keep, below=False))

    def drops(self, path: str) -> bool:
        """Whether this path, relative to the root, stays out."""
        absolute = f"/{path}"
        return bool(self.drop.fullmatch(absolute)) and not self.keep.fullmatch(absolute)


def _compiled(globs: Iterable[str], *, below: bool) -> re.Pattern[str]:
    patterns = [fnmatch.translate(glob).removesuffix(r"\Z") for glob in globs] or [r"(?!)"]
    return re.compile(f"(?s:(?:{'|'.join(patterns)}){'(?:/.*)?' if below else ''})")
