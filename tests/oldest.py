"""The standard library of the oldest supported Python, as far as the product could miss a part of it."""

from __future__ import annotations

import tarfile
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pytest

__all__ = ["without_filters"]

_LATER = ("tar_filter", "data_filter", "fully_trusted_filter", "FilterError")
_extractall: Any = tarfile.TarFile.extractall


def without_filters(monkeypatch: pytest.MonkeyPatch) -> None:
    """Take away what tarfile has got in Python 3.11.4. Python 3.11.2 is Debian 12's."""

    def extractall(self: tarfile.TarFile, path: Any = ".", members: Any = None) -> None:
        _extractall(self, path, members)

    for name in _LATER:
        monkeypatch.delattr(tarfile, name, raising=False)
    monkeypatch.delattr(tarfile.TarInfo, "replace", raising=False)
    monkeypatch.setattr(tarfile.TarFile, "extractall", extractall)
