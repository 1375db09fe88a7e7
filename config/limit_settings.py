"""The settings of what a job may use: the limits where it asks for none, and the largest ones."""

from __future__ import annotations

from pydantic import model_validator
from pydantic_settings import BaseSettings

from config.setting_types import Bytes, Cores, GraceSeconds, Seconds, setting

__all__ = ["LimitSettings"]


class LimitSettings(BaseSettings):
    """The defaults and the maxima of a job's limits. The first three keep the names of the original."""

    docker_timeout_ms: int = setting(
        30_000, "Milliseconds: a job's `timeout` where it asks for none.", gt=0, alias="DOCKER_TIMEOUT"
    )
    docker_memory_limit: Bytes = setting(
        "512m", "A job's `memory` where it asks for none.", alias="DOCKER_MEMORY_LIMIT"
    )
    docker_cpu_limit: Cores = setting(
        2.0, "Cores: a job's `cpus` where it asks for none.", alias="DOCKER_CPU_LIMIT"
    )

    grace: GraceSeconds = setting(1.0, "Seconds: a job's `grace` where it asks for none.")
    pids: int = setting(128, "Processes and threads: a job's `pids` where it asks for none.", ge=1)
    disk: Bytes = setting("64m", "A job's `disk` where it asks for none.")
    output_limit: Bytes = setting("1m", "A job's `output_limit` where it asks for none.")
    cpu_time: Seconds | None = setting(
        None, "Seconds of processor time: a job's `cpu_time` where it asks for none; no limit, if not set."
    )
    stack: Bytes = setting("8m", "A job's `stack` where it asks for none.")
    max_timeout: Seconds = setting(600.0, "Seconds: the largest `timeout` that a job may ask for.")
    max_grace: Seconds = setting(30.0, "Seconds: the largest `grace`.")
    max_memory: Bytes = setting("2g", "The largest `memory`.")
    max_cpus: Cores = setting(4.0, "The most `cpus`.")
    max_pids: int = setting(1024, "The most `pids`.", ge=1)
    max_disk: Bytes = setting("512m", "The largest `disk`.")
    max_output_limit: Bytes = setting("16m", "The largest `output_limit`.")
    max_cpu_time: Seconds = setting(2400.0, "Seconds of processor time: the largest `cpu_time`.")
    max_stack: Bytes = setting("512m", "The largest `stack`.")
    max_input: Bytes = setting("32m", "The most that `files` and `stdin` may take together.")
    max_files: int = setting(8192, "The most `files`, whatever their size.", ge=1)
    max_runs: int = setting(1024, "The most `runs` of one job.", ge=1)
    max_artifacts: Bytes = setting("32m", "The most that a job's artifacts may take together.")

    @property
    def max_message(self) -> int:
        """The bytes of the largest message: it fits the largest input of text, as JSON escapes it.

        Input that is not text takes more than that, unless it is sent as base64.
        """
        return 4 * self.max_input + (8 << 20)

    @property
    def timeout_s(self) -> float:
        """The default `timeout` of a job, in seconds."""
        return self.docker_timeout_ms / 1000

    @model_validator(mode="after")
    def _defaults_within_maxima(self) -> LimitSettings:
        for name, default, maximum in (
            ("DOCKER_TIMEOUT", self.timeout_s, "max_timeout"),
            ("DOCKER_MEMORY_LIMIT", self.docker_memory_limit, "max_memory"),
            ("DOCKER_CPU_LIMIT", self.docker_cpu_limit, "max_cpus"),
            ("CELLBLOCK_GRACE", self.grace, "max_grace"),
            ("CELLBLOCK_PIDS", self.pids, "max_pids"),
            ("CELLBLOCK_DISK", self.disk, "max_disk"),
            ("CELLBLOCK_OUTPUT_LIMIT", self.output_limit, "max_output_limit"),
            ("CELLBLOCK_CPU_TIME", self.cpu_time, "max_cpu_time"),
            ("CELLBLOCK_STACK", self.stack, "max_stack"),
        ):
            if default is not None and default > getattr(self, maximum):
                most = f"CELLBLOCK_{maximum.upper()}={getattr(self, maximum)}"
                raise ValueError(f"{name} sets a default of {default}, above {most}")
        return self
