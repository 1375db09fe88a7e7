"""What an operator can set, from the environment and from secret files."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, Literal

from pydantic import SecretStr, ValidationError, field_validator, model_validator
from pydantic_settings import (
    BaseSettings,
    InitSettingsSource,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)

from config.address import Address
from config.address_text import parse_address
from config.api_settings import ApiSettings
from config.blob_settings import BlobSettings
from config.hosts import Host, parse_patterns
from config.ladder import Ladder, ladder
from config.limit_settings import LimitSettings
from config.mcp_settings import McpSettings
from config.setting_types import (
    DiskReads,
    FileThere,
    FolderThere,
    HostPatterns,
    InFolder,
    LiveBytes,
    Seconds,
    UidRange,
    Warm,
    setting,
)
from config.tenant_settings import TenantSettings
from config.uid_range import parse_uid_range
from config.variables import OLD_NAMES, explain, key_of, unknown_variables, variable_of, warn_of
from config.warm import WarmSizes, parse_warm

__all__ = ["InvalidSetting", "Settings", "load_settings"]


class InvalidSetting(ValueError):
    """A setting has a value that is not allowed. The operator must correct it; a retry does not help."""


class Settings(ApiSettings, BlobSettings, McpSettings, TenantSettings, LimitSettings):
    """Every setting, with its unit in its name or type.

    The variable of a field is `CELLBLOCK_` and its name, except for the four original variables, which keep
    their names. Each may also come from a file, which `<VARIABLE>_FILE` names.
    """

    model_config = SettingsConfigDict(
        env_prefix="CELLBLOCK_", env_ignore_empty=True, frozen=True, populate_by_name=True, extra="forbid"
    )

    enable_docker: bool = setting(
        True, "False runs commands directly on the worker's host: the legacy mode.", alias="ENABLE_DOCKER"
    )

    broker_url: SecretStr = setting("redis://localhost:6379/0", "The broker.")
    result_backend: SecretStr | None = setting(None, "The result backend; the broker, if not set.")
    publish_timeout: Seconds = setting(
        5.0, "Seconds that `tasks` may take to send an app's job; then it says why it could not."
    )
    queues: str = setting(
        "cellblock",
        "The queues from which a worker takes jobs, with commas between; `tasks` sends jobs to the first."
        " Names have letters, digits and `_`, `.` and `-`. Do not use a queue that workers of another app"
        " serve as well, such as Celery's own default `celery`.",
        pattern=r"^[\w.-]+(,[\w.-]+)*$",
    )
    routes: str = setting(
        "",
        "Runtimes whose jobs `tasks` sends to queues of their own, such as `java=heavy,cpp=heavy`. Some"
        " worker's `CELLBLOCK_QUEUES` must have each of these queues.",
        pattern=r"^([\w-]+=[\w.-]+(,[\w-]+=[\w.-]+)*)?$",
    )
    concurrency: int | None = setting(
        None, "Jobs at a time in one worker; the number of cores, if not set.", ge=1
    )
    autoscale: str | None = setting(
        None, 'The most and the fewest jobs at a time, such as "8,2".', pattern=r"^\d+,\d+$"
    )
    max_attempts: int = setting(4, "How often a job is tried when the sandbox cannot do its job.", ge=1)
    drain: Seconds = setting(
        60.0, "Seconds that running jobs get to end after SIGTERM; then they go back to the queue."
    )
    result_expires: Seconds = setting(86_400.0, "Seconds until a result is forgotten.")
    live: Literal["off", "asked", "on"] = setting(
        "asked", "Which jobs stream their output while they run: none, those that ask for it, or all."
    )
    live_limit: LiveBytes = setting(
        "1m", "How much of one job's live output Redis holds at a time; the oldest goes first."
    )
    live_expires: Seconds = setting(
        300.0, "Seconds that live output stays after its job; the result has the outputs from then on."
    )

    engine_margin: Seconds = setting(
        15.0, "Seconds that the engine may take for one step; the time between two rungs of the time limits."
    )
    silence: Seconds = setting(
        15.0, "Seconds for which Redis may hear nothing of a worker; then others take over its jobs."
    )

    owner: str = setting(
        "cellblock",
        "The deployment's name, on the label of each of its containers: up to 64 letters, digits and `_`, `.`"
        " and `-`.",
        pattern=r"^[A-Za-z0-9._-]{1,64}$",
    )
    docker_host: str | None = setting(
        None, "The engine's address; `DOCKER_HOST`, if not set, else Docker's own default."
    )
    engine: Literal["docker", "oci", "host"] = setting(
        "docker",
        "What cells are made with: Docker Engine, or an OCI runtime with no daemon in between. `host` is what"
        " `ENABLE_DOCKER=false` means.",
    )
    oci_runtime: str | None = setting(
        None, "The OCI runtime for cells, such as `runsc`; the engine's default, if not set, or `crun`."
    )
    store: Path = setting(Path("/var/lib/cellblock"), "The folder of the engine `oci` for images.")
    state: Path = setting(
        Path("/run/cellblock"), "The folder of the engine `oci` for what it knows of cells."
    )
    uid_range: UidRange = setting(
        "1073741824-1140850687",
        "The host ids that cells of the engine `oci` get, 65536 each, such as `100000-6653599`.",
    )
    disk_reads: DiskReads = setting(
        "",
        "How fast one cell may read from the host's disks, in bytes a second by whole device, such as"
        " `/dev/sda=100m`; the engine's images are on one. Without it a cell reads as fast as the disk can.",
    )
    runtimes: FileThere | None = setting(None, "A catalogue of runtimes (TOML), laid over the built-in one.")
    recipes: FolderThere | None = setting(
        None,
        "A folder of recipes for `images build`, which uses them before the built-in ones.",
    )
    pull: Literal["missing", "never"] = setting(
        "missing", "Whether a worker pulls the images that are not there, beside its work, when it starts."
    )
    warm: Warm = setting(
        "0", 'Warm cells for each runtime: "4"; "2-8" adapts to demand; "0,python=2-8,bash=4" by name.'
    )
    warm_age: Seconds = setting(600.0, "Seconds after which a warm cell that nobody used is replaced.")
    network: bool = setting(False, "Whether jobs may ask for `network=True`.")
    network_hosts: HostPatterns = setting(
        "",
        'What jobs may name in `network=[…]`: "api.example.com,*.example.org,example.net:8443". Ports 80 and'
        " 443, where none is given; never an address, and never a host that resolves to a private one.",
    )
    network_exit: str = setting(
        "bridge",
        "The name of the engine's network by which the proxy of a job with `network=[…]` reaches the hosts.",
        pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$",
    )
    flower_basic_auth: SecretStr | None = setting(
        None, "`user:password` for Flower, which needs one to start."
    )
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = setting("INFO", "What a worker logs.")
    log_format: Literal["console", "json"] = setting(
        "console", "How a worker logs: lines for people, or one JSON object a line."
    )
    metrics_port: int | None = setting(
        None, "The port on which a worker serves its metrics to Prometheus; none, if not set.", ge=1, le=65535
    )
    metrics_address: str = setting(
        "127.0.0.1",
        "The address of this host on which a worker serves its metrics; `0.0.0.0` in a container of its own.",
    )
    traces: Literal["off", "otlp", "console"] = setting(
        "off",
        "Where a worker sends OpenTelemetry traces; needs the extra `cellblock[otel]`. OpenTelemetry's own"
        " variables configure `otlp`, such as `OTEL_EXPORTER_OTLP_ENDPOINT`.",
    )
    heartbeat: InFolder | None = setting(
        None, "A file that a worker renews as long as it can take jobs, for `cellblock health`."
    )
    heartbeat_bound: Seconds = setting(
        60.0, "Seconds for which the broker or the keeper may be away before `cellblock health` fails."
    )

    @property
    def longest(self) -> Ladder:
        """The ladder of the longest job that these settings allow: one of two stages."""
        first_s = self.max_timeout + self.max_grace + 2 * self.engine_margin
        return ladder(first_s + self.max_timeout, self.max_grace, self.engine_margin)

    @property
    def engine_name(self) -> str:
        """What cells are made with: "docker", "oci" or "host"."""
        return self.engine if self.enable_docker else "host"

    @property
    def isolates(self) -> bool:
        """Whether jobs run in cells, and not directly on the host."""
        return self.engine_name != "host"

    @property
    def uid_bounds(self) -> tuple[int, int]:
        """The first and the last id in `uid_range`."""
        return parse_uid_range(self.uid_range)

    @property
    def broker(self) -> Address:
        """The address in `broker_url`."""
        return parse_address(self.broker_url.get_secret_value())

    @property
    def results(self) -> Address:
        """The address for results: the one in `result_backend`, or else the broker's."""
        return parse_address((self.result_backend or self.broker_url).get_secret_value())

    @property
    def queues_of_routes(self) -> set[str]:
        """The queues to which `routes` sends jobs."""
        return set(self._routes.values())

    def queue_of(self, runtime: str) -> str | None:
        """The queue that `routes` names for a runtime, if it names one."""
        return self._routes.get(runtime)

    @property
    def _routes(self) -> dict[str, str]:
        return dict(route.split("=") for route in self.routes.split(",") if route)

    @property
    def stop_s(self) -> float:
        """The time that a worker may need to stop, in seconds. It should not be killed earlier."""
        return self.drain + 4 * self.engine_margin

    @property
    def lease_s(self) -> float:
        """How long a job's lease lasts without renewal, in seconds.

        Other workers take longer to notice that a worker is gone. So when they put its jobs back, the leases
        have already run out, and no job waits for its lease.
        """
        return self.silence * 2 / 3

    @property
    def warm_sizes(self) -> WarmSizes:
        """The parsed value of `warm`."""
        return parse_warm(self.warm)

    @property
    def allowed_hosts(self) -> tuple[Host, ...]:
        """The parsed value of `network_hosts`."""
        return parse_patterns(self.network_hosts)

    @field_validator("broker_url", "result_backend")
    @classmethod
    def _is_address(cls, address: SecretStr | None) -> SecretStr | None:
        tls = parse_address(address.get_secret_value()).tls if address else None
        for path in (tls.ca_certs, tls.certfile, tls.keyfile) if tls else ():
            if path and not Path(path).is_file():
                raise ValueError(f"there is no file {path!r} on this machine")
        return address

    @model_validator(mode="after")
    def _results_go_to_redis(self) -> Settings:
        if not self.results.is_redis:
            name, needs = "CELLBLOCK_RESULT_BACKEND", "results need a Redis, such as redis://localhost:6379/0"
            raise ValueError(f"{name} is {'(secret)' if self.result_backend else 'not set'}: {needs}")
        return self

    @field_validator("docker_host")
    @classmethod
    def _has_scheme(cls, host: str | None) -> str | None:
        if host is not None and "://" not in host:
            raise ValueError("give an address with its scheme, such as unix:///var/run/docker.sock")
        return host

    @field_validator("autoscale")
    @classmethod
    def _max_first(cls, pair: str | None) -> str | None:
        if pair is not None:
            most, least = (int(count) for count in pair.split(","))
            if not most >= least >= 1:
                raise ValueError("give the largest pool first, such as 8,2; the smallest is at least 1")
        return pair

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """What the code passes comes first, then the environment, then files that the environment names.

        Variables with old names come last.
        """
        by_old_names = InitSettingsSource(settings_cls, _by_old_names())
        return init_settings, env_settings, _FileSource(settings_cls), by_old_names


def load_settings(**overrides: Any) -> Settings:  # noqa: ANN401  each is read as its field is
    """The settings of this process.

    Raises:
        InvalidSetting: naming each bad variable, its value and what is allowed; secret values are left out.
    """
    unknown = unknown_variables(os.environ, Settings.model_fields)
    if unknown:
        raise InvalidSetting("; ".join(unknown))
    try:
        return Settings(**overrides)
    except ValidationError as error:
        raise InvalidSetting(explain(error.errors(), Settings.model_fields)) from None


class _FileSource(PydanticBaseSettingsSource):
    """`<NAME>_FILE=/run/secrets/x` gives `<NAME>` that file's content, as the official Docker images do."""

    def get_field_value(self, field: Any, field_name: str) -> tuple[Any, str, bool]:  # noqa: ANN401
        key = key_of(field_name, Settings.model_fields)
        return _file_of(variable_of(field_name, Settings.model_fields)), key, False

    def __call__(self) -> dict[str, Any]:
        found = (self.get_field_value(field, name) for name, field in Settings.model_fields.items())
        return {key: value for value, key, _ in found if value is not None}


def _file_of(variable: str) -> str | None:
    """The content of the file that `<variable>_FILE` names; None if it names none."""
    path = os.environ.get(f"{variable}_FILE")
    try:
        return Path(path).read_text().rstrip("\r\n") if path else None
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidSetting(f"{variable}_FILE={path}: the file cannot be read: {error}") from None


def _by_old_names() -> dict[str, Any]:
    """The fields that variables with old names set. Warns of each such variable."""
    found: dict[str, Any] = {}
    for old, fields in OLD_NAMES.items():
        value = os.environ.get(old) or _file_of(old)
        if value is not None:
            warn_of(old)
            found |= dict.fromkeys(fields, value)
    return found
