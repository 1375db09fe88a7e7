"""The host ids that an ordinary user may give to cells. Root may give any; others need a line for them."""

from __future__ import annotations

import os
import pwd
import shutil
from pathlib import Path

from sandbox.errors import EngineUnreachable

__all__ = ["require_ids"]

_FILES = ("subuid", "subgid")


def require_ids(first: int, last: int, folder: Path = Path("/etc")) -> None:
    """Return if this user may give the ids from `first` to `last` to cells.

    Raises:
        EngineUnreachable: it may not, with what root has to do.
    """
    if os.geteuid() == 0:
        return
    if shutil.which("newuidmap") is None:
        raise EngineUnreachable(
            "There is no newuidmap, which gives ids to the cells of a user who is not root."
            " Try: apt-get install uidmap"
        )
    user = pwd.getpwuid(os.geteuid()).pw_name
    for file in (folder / name for name in _FILES):
        if not any(low <= first and last <= high for low, high in _ranges(file, user)):
            ids = f"{first}-{last}"
            raise EngineUnreachable(
                f"{file} does not give the ids of CELLBLOCK_UID_RANGE to {user}."
                f" Try: usermod --add-subuids {ids} --add-subgids {ids} {user}"
            )


def _ranges(file: Path, user: str) -> list[tuple[int, int]]:
    """The first and the last id of each range of the user, who is there by name or by number."""
    try:
        lines = [line.split(":") for line in file.read_text().splitlines()]
    except FileNotFoundError:
        return []
    own = [line for line in lines if len(line) == 3 and line[0] in (user, str(os.geteuid()))]
    return [(int(start), int(start) + int(count) - 1) for _, start, count in own]
