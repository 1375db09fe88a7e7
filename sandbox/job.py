"""A job: a request that has been checked, ready to run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING

from config import ladder
from sandbox.blob_inputs import check_store
from sandbox.detect import choose_runtime, no_owner
from sandbox.egress.network_request import Network, parse_network
from sandbox.entrypoint import Stages, plan_start
from sandbox.errors import InvalidJob
from sandbox.limits import Limits, resolve_compile_limits, resolve_limits
from sandbox.request import check_names, read_parts
from sandbox.room import check_command, check_file_count, check_input
from sandbox.runs.plan import ArgvFor, PlannedRun, Runs, plan_runs

if TYPE_CHECKING:
    from config import Catalogue, Ladder, Runtime, Settings
    from sandbox.blobs import BlobStore, Source

__all__ = ["Job", "parse_job"]


@dataclass(frozen=True, slots=True)
class Compile:
    """The first stage of a job that has two: it gets the files, and what it leaves goes to the second."""

    argv: tuple[str, ...]
    limits: Limits
    env: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Job:
    """What to run, with what, and how much it may use. `argv` is executed as it stands, with no shell.

    `refs` are files of which only the ref is known, `sources` those that can be read. `workspace` is a tar
    archive that is unpacked in `/workspace` first. `blobs` is the store, once the refs are looked up there.
    `waits_s` is how long its cell may have to wait for it.
    """

    argv: tuple[str, ...]
    runtime: Runtime
    limits: Limits
    stdin: bytes | None = None
    env: Mapping[str, str] = field(default_factory=dict)
    files: Mapping[str, bytes] = field(default_factory=dict)
    refs: Mapping[str, str] = field(default_factory=dict)
    sources: Mapping[str, Source] = field(default_factory=dict)
    workspace_ref: str | None = None
    workspace: Source | None = None
    artifacts: tuple[str, ...] = ()
    artifacts_as_refs: bool = False
    keep_workspace: bool = False
    blobs: BlobStore | None = field(default=None, repr=False, compare=False)
    network: Network = False
    check: bool = False
    compile: Compile | None = None
    runs: Runs | None = None
    detected: str = ""
    entry: str | None = None
    compiles: bool = False
    waits_s: float = 0.0

    @property
    def uses_blobs(self) -> bool:
        """Whether it needs a blob store, for what it gets or for what it leaves."""
        own = self.refs or self.workspace_ref or self.artifacts_as_refs or self.keep_workspace
        return bool(own) or (self.runs is not None and any(run.refs for run in self.runs.planned))

    def ladder(self, margin_s: float) -> Ladder:
        """The ladder of both stages together, and of all runs. The first stage's time is added."""
        before_s = 0.0
        if self.compile:
            before_s = self.compile.limits.timeout_s + self.compile.limits.grace_s + 2 * margin_s
        lasts_s = self.runs.lasts_s(margin_s) if self.runs else self.limits.timeout_s
        return ladder(self.waits_s + before_s + lasts_s, self.limits.grace_s, margin_s)

    def first_stage(self) -> Job | None:
        """The compilation, if there is one, as a job of its own, which brings back all that it leaves."""
        if self.compile is None:
            return None
        return replace(
            self,
            argv=self.compile.argv,
            runtime=self.runtime.compiler,
            limits=self.compile.limits,
            env=self.compile.env,
            stdin=None,
            artifacts=("**",),
            compile=None,
            runs=None,
            compiles=True,
        )

    def second_stage(self, workspace: Source) -> Job:
        """The second stage as a job of its own, with all that the first stage left."""
        return replace(self, files={}, sources={}, workspace=workspace, compile=None)

    def as_run(self, run: PlannedRun) -> Job:
        """One of the runs as a job of its own. Its files replace those of the job with the same paths."""
        own = run.files.keys() | run.sources.keys()
        return replace(
            self,
            argv=run.argv,
            limits=run.limits,
            stdin=self.stdin if run.stdin is None else run.stdin,
            env={**self.env, **run.env},
            files={path: what for path, what in self.files.items() if path not in own} | dict(run.files),
            sources={path: what for path, what in self.sources.items() if path not in own}
            | dict(run.sources),
            runs=None,
            compile=None,
            waits_s=self.compile.limits.timeout_s + self.compile.limits.grace_s if self.compile else 0.0,
        )


def parse_job(
    cmd: object, runtime: object = None, *, settings: Settings, catalogue: Catalogue, **request: object
) -> Job:
    """The job that a request describes, its limits resolved.

    Raises:
        InvalidJob: with one sentence that says what is wrong.
    """
    check_names(request)
    check_file_count(request.get("files"), settings.max_files)
    parts = read_parts(cmd, request)
    choice = choose_runtime(runtime, parts.deciding_files, catalogue)
    if parts.cmd is None and choice.is_default:
        raise InvalidJob(no_owner(parts.deciding_files, catalogue))
    chosen, limits = choice.runtime, resolve_limits(request, choice.runtime.limits, settings)
    stages = plan_start(chosen, parts.named_files, parts.entry) if parts.cmd is None else Stages((), ())
    # A caller's own command has no placeholders.
    argv_for: ArgvFor = partial(_argv, parts.cmd, chosen) if parts.cmd is not None else stages.run_argv
    job = Job(
        argv=argv_for(limits.memory_bytes),
        runtime=chosen,
        limits=limits,
        stdin=parts.stdin,
        env=chosen.with_own(parts.env, limits.memory_bytes),
        files=stages.files(parts.files),
        refs=stages.files(parts.refs),
        workspace_ref=parts.workspace_ref,
        artifacts=parts.artifacts,
        artifacts_as_refs=parts.artifacts_as_refs,
        keep_workspace=parts.keep_workspace,
        network=parse_network(request.get("network"), settings),
        check=parts.check,
        compile=_compile(stages, chosen, limits, parts.env, settings) if stages.compile else None,
        runs=plan_runs(parts, argv_for, chosen, limits, settings),
        detected=choice.reason,
        entry=stages.entry,
    )
    check_command(job)
    check_input(job, settings)
    check_store(job, settings)
    return job


def _compile(
    stages: Stages, runtime: Runtime, job: Limits, env: Mapping[str, str], settings: Settings
) -> Compile:
    limits = resolve_compile_limits(runtime.compile_limits, job, settings)
    memory_bytes = limits.memory_bytes
    return Compile(stages.compile_argv(memory_bytes), limits, runtime.with_own(env, memory_bytes))


def _argv(cmd: str | tuple[str, ...], runtime: Runtime, _: int) -> tuple[str, ...]:
    """The argument list of a `cmd`, which is the same for any size of the memory."""
    return runtime.shell_argv(cmd) if isinstance(cmd, str) else cmd
