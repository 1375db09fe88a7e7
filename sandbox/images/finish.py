"""What maintainer scripts would do on an installed system; here a recipe or the builder does it, as data."""

from __future__ import annotations

import fnmatch
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from io import BytesIO

from sandbox.errors import ImageBuildFailed
from sandbox.images.entry import Entry

__all__ = ["Finish", "Joining"]


@dataclass(frozen=True)
class Finish:
    """The last entries of a layer, by their absolute paths.

    A link of `symlinks` must have a target, which may be a glob; one of `alternatives` is left out if it has
    none. A file of `joined` has the text of all files that its glob matches, in the order of their paths.
    `scripts` are programs by their text; they replace a package's file of the same path.
    """

    symlinks: Mapping[str, str] = field(default_factory=dict)
    joined: Mapping[str, str] = field(default_factory=dict)
    alternatives: Mapping[str, str] = field(default_factory=dict)
    scripts: Mapping[str, str] = field(default_factory=dict)

    def programs(self) -> Iterator[Entry]:
        """The scripts as entries."""
        for path, text in self.scripts.items():
            content = text.encode()
            yield Entry(path.lstrip("/"), "file", 0o755, len(content), content=BytesIO(content))


class Joining:
    """Keeps the text of the files that go into one file, while they pass by."""

    def __init__(self, joined: Mapping[str, str]) -> None:
        self._joined = joined
        self._texts: dict[str, dict[str, bytes]] = {path: {} for path in joined}

    def seen(self, entry: Entry) -> Entry:
        """`entry`, still to be read, after its text was kept if it is part of a file."""
        homes = [path for path, glob in self._joined.items() if fnmatch.fnmatchcase(f"/{entry.path}", glob)]
        if entry.content is None or not homes:
            return entry
        text = entry.content.read()
        for path in homes:
            self._texts[path][entry.path] = text
        return replace(entry, content=BytesIO(text))

    def files(self) -> Iterator[Entry]:
        """The files that are made of others; raises ImageBuildFailed if there is nothing to make one of."""
        for path, parts in self._texts.items():
            if not parts:
                raise ImageBuildFailed(
                    f"No package brings {self._joined[path]}, which the recipe joins to {path}; correct it."
                )
            text = b"".join(parts[part].rstrip(b"\n") + b"\n" for part in sorted(parts))
            yield Entry(path.lstrip("/"), "file", 0o644, len(text), content=BytesIO(text))
