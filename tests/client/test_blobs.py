"""The contents that an app stores for its jobs, and reads after them, with the client alone."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import pytest

from cellblock import BlobsFull, BrokerUnreachable, Cellblock, InvalidJob
from config import load_settings
from sandbox.blobs import Blob, read_blob
from tasks.blobs import open_blobs
from tests.programs import free_port

if TYPE_CHECKING:
    from tests.programs import Worker

MIB = 1 << 20


def test_a_job_gets_what_the_app_has_stored_and_the_app_what_the_job_left(worker: Worker) -> None:
    cells = Cellblock(worker.broker_url, tenant="alice")
    blob = cells.blobs.put(bytes(5 * MIB))
    result = cells.run(
        "wc -c < in; rev in", "bash", files={"in": {"ref": blob.ref}}, artifacts=["in"], artifacts_as="ref"
    )
    assert (result.stdout.split("\n")[0], result.artifacts["in"].ref) == (str(5 * MIB), blob.ref)
    assert sum(map(len, cells.blobs.get(blob.ref))) == 5 * MIB
    assert (cells.blobs.remove(blob.ref), cells.blobs.remove(blob.ref)) == (True, False)


@pytest.mark.parametrize("size", [0, 1, MIB - 64, MIB, 3 * MIB + 1])
def test_client_and_worker_read_what_the_other_has_written(broker_url: str, size: int) -> None:
    blobs, content = Cellblock(broker_url).blobs, b"x" * size
    blob = blobs.put(content[start : start + 70_000] for start in range(0, size, 70_000))
    assert (blob.ref, blob.size) == (f"sha256:{hashlib.sha256(content).hexdigest()}", size)
    with open_blobs(load_settings(broker_url=broker_url)) as store:
        assert b"".join(read_blob(store, Blob(blob.ref, blob.size))) == content
    assert b"".join(blobs.get(blob.ref)) == content


def test_another_tenants_content_is_unknown(broker_url: str) -> None:
    ref = Cellblock(broker_url, tenant="alice").blobs.put(b"secret").ref
    with pytest.raises(InvalidJob, match="there is no blob sha256:"):
        Cellblock(broker_url, tenant="bob").blobs.get(ref)


def test_the_operators_bounds_hold_for_apps_too(broker_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CELLBLOCK_TENANT_BLOBS_LIMIT", "1m")
    blobs = Cellblock(broker_url, tenant="alice").blobs
    with pytest.raises(BlobsFull, match="CELLBLOCK_TENANT_BLOBS_LIMIT"):
        blobs.put(bytes(2 * MIB))
    assert blobs.put(bytes(1000)).size == 1000


def test_what_is_no_ref_is_refused_at_once() -> None:
    with pytest.raises(InvalidJob, match="'nope' is no ref"):
        Cellblock().blobs.get("nope")


def test_a_redis_that_is_away_is_said_after_a_while() -> None:
    blobs = Cellblock(f"redis://127.0.0.1:{free_port()}", patience=0.2).blobs
    with pytest.raises(BrokerUnreachable, match="cannot be reached"):
        blobs.put(b"x")
