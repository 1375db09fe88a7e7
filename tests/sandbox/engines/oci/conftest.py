"""What the tests of the engine oci share."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """Gives a folder that every user may enter: to the host, a cell's user is one that owns nothing.

    It is not in /run, from which some hosts let nothing be executed.
    """
    folder = Path(tempfile.mkdtemp(prefix="cellblock-", dir="/var/tmp"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)
