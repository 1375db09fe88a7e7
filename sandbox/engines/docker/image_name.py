"""The parts of an image's name."""

from __future__ import annotations

__all__ = ["split_name"]


def split_name(name: str) -> tuple[str, str]:
    """The repository and the tag or digest: a colon before the last slash belongs to a registry's port."""
    repository, _, digest = name.partition("@")
    if digest:
        return repository, digest
    folder, slash, last = repository.rpartition("/")
    last, _, tag = last.partition(":")
    return folder + slash + last, tag or "latest"
