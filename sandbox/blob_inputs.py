"""Looks up the refs in a job's request, so that its files and its workspace can be read from the store."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from config import format_bytes
from config.blob_place import BlobKind
from config.quoting import quoted
from sandbox.blobs import Blob, Source, missing_blob, read_blob
from sandbox.errors import InvalidJob
from sandbox.room import check_room
from sandbox.workspace import ArchiveScan

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from config import Settings
    from sandbox.blobs import BlobStore
    from sandbox.job import Job
    from sandbox.runs.plan import Runs

__all__ = ["check_store", "with_blobs"]

_NO_STORE = "There is no blob store here, so there are no refs and no workspaces (CELLBLOCK_BLOBS)."
# A workspace of many small files is larger as an archive than on the disk.
_LARGEST_FACTOR = 2
_HEADERS_BYTES = 4 << 20


def check_store(job: Job, settings: Settings) -> None:
    """Raise InvalidJob if the job needs a blob store, and the operator has none."""
    if job.uses_blobs and settings.blob_place.kind is BlobKind.OFF:
        raise InvalidJob(_NO_STORE)


def with_blobs(job: Job, store: BlobStore | None) -> Job:
    """The job with its store, from which everything that it names can be read.

    Raises:
        InvalidJob: there is no store or no such blob, or it does not fit into the job's cell.
        BlobsUnavailable: the store does not answer.
    """
    if not job.uses_blobs:
        return job
    if store is None:
        raise InvalidJob(_NO_STORE)
    found = _Found(store)
    bound = replace(job, sources=found("files", job.refs), runs=_bound_runs(job.runs, found), blobs=store)
    check_room(bound)
    return replace(bound, workspace=_workspace(bound, store)) if job.workspace_ref else bound


class _Found:
    """What the refs of one request name. Each is looked up once."""

    def __init__(self, store: BlobStore) -> None:
        self._store = store
        self._sources: dict[str, Source] = {}

    def __call__(self, where: str, refs: Mapping[str, str]) -> dict[str, Source]:
        for path, ref in refs.items():
            known = self._sources.get(ref)
            self._sources[ref] = known or _source(self._store, f"{where}[{quoted(path)}]", ref)
        return {path: self._sources[ref] for path, ref in refs.items()}


def _bound_runs(runs: Runs | None, found: _Found) -> Runs | None:
    if runs is None:
        return None
    planned = (
        replace(run, sources=found(f"runs[{index}].files", run.refs)) if run.refs else run
        for index, run in enumerate(runs.planned)
    )
    return replace(runs, planned=tuple(planned))


def _workspace(job: Job, store: BlobStore) -> Source:
    source = _source(store, "workspace", job.workspace_ref or "")
    if source.size > _LARGEST_FACTOR * job.limits.disk_bytes + _HEADERS_BYTES:
        raise InvalidJob(
            f"workspace: it takes {format_bytes(source.size)}, too much for the job's"
            f" disk={format_bytes(job.limits.disk_bytes)}; ask for more disk."
        )
    archive = _Archive(source)
    return Source(source.size, archive.pieces, archive.has_extended_names)


class _Archive:
    """Reads an archive, and looks at it meanwhile."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._scan = ArchiveScan()

    def pieces(self) -> Iterator[bytes]:
        """The pieces. Raises InvalidJob if the end is missing, for in the cell zeros follow it."""
        self._scan = ArchiveScan()
        for piece in self._source.pieces():
            self._scan.feed(piece)
            yield piece
        if not self._scan.is_whole:
            raise InvalidJob("workspace: what the blob store has under this ref is no whole tar archive.")

    def has_extended_names(self) -> bool:
        """Whether there were names that not every tar can unpack."""
        return self._scan.has_extended_names


def _source(store: BlobStore, where: str, ref: str) -> Source:
    size = store.size(ref)
    if size is None:
        raise missing_blob(where, ref)
    return Source(size, partial(read_blob, store, Blob(ref, size)))
