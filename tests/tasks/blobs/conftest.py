"""The blob store in each of its places."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import pytest

from config import load_settings
from sandbox.blobs import BlobStore
from tasks.blobs import open_blobs
from tests.s3_server import ACCESS, running_s3

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

Open = Callable[..., BlobStore]

_BUCKET = "blobs-of-tests"
_prefixes = itertools.count()


@pytest.fixture(scope="session")
def s3_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Gives the address of an S3 server with a bucket."""
    with running_s3(tmp_path_factory.mktemp("s3"), _BUCKET) as address:
        yield address


@pytest.fixture(params=["redis", "folder", "s3"])
def place(
    request: pytest.FixtureRequest,
    broker_url: str,
    s3_url: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> dict[str, Any]:
    """Gives the settings of an empty store, in each kind of place."""
    if request.param == "folder":
        return {"blobs": str(tmp_path)}
    if request.param == "redis":
        return {"blobs": "redis", "broker_url": broker_url}
    for name, value in ACCESS.items():
        monkeypatch.setenv(name, value)
    return {"blobs": f"s3://{_BUCKET}/run{next(_prefixes)}?endpoint={s3_url}"}


@pytest.fixture
def open_store(place: dict[str, Any]) -> Iterator[Open]:
    """Gives a function that opens the store for a tenant, with more settings if need be."""
    with ExitStack() as stack:

        def opened(tenant: str = "", **more: Any) -> BlobStore:
            return stack.enter_context(open_blobs(load_settings(**place, **more), tenant))

        yield opened


@pytest.fixture
def store(open_store: Open) -> BlobStore:
    """Gives the store of nobody in particular."""
    return open_store()
