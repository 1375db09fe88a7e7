"""What an operator can set, from the environment and from secret files."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import BeforeValidator, Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from config.ladder import Ladder, ladder
from config.units import parse_bytes

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pydantic_core import ErrorDetails

__all__ = ["InvalidSetting", "Settings", "load_settings"]

Bytes = Annotated[int, BeforeValidator(parse_bytes)]
Seconds = Annotated[float, Field(gt=0, allow_inf_nan=False)]


class InvalidSetting(ValueError):
    """A setting has a value that is not allowed: the operator's fault, and no retry can mend it."""


class Settings(BaseSettings):
    """Every setting, with its unit in its name or type.

    The variable of a field is `CELLBLOCK_` and its name, but for the four original ones, which keep theirs.
    Each may also come from a file, which `<VARIABLE>_FILE` names.
    """

    model_config = SettingsConfigDict(
        env_prefix="CELLBLOCK_", env_ignore_empty=True, frozen=True, populate_by_name=True, extra="forbid"
    )

    enable_docker: bool = Field(default=True, validation_alias="ENABLE_DOCKER")
    docker_timeout_ms: int = Field(30_000, gt=0, validation_alias="DOCKER_TIMEOUT")
    docker_memory_limit_bytes: Bytes = Field(
        "512m", validate_default=True, validation_alias="DOCKER_MEMORY_LIMIT"
    )
    docker_cpu_limit: float = Field(2.0, gt=0, allow_inf_nan=False, validation_alias="DOCKER_CPU_LIMIT")

    broker_url: SecretStr = SecretStr("redis://localhost:6379/0")
    result_backend: SecretStr | None = None
    queues: str = Field("cellblock,celery", pattern=r"^[\w.-]+(,[\w.-]+)*$")
    concurrency: int | None = Field(None, ge=1)
    autoscale: str | None = Field(None, pattern=r"^\d+,\d+$")
    result_expires: Seconds = 86_400.0
    max_attempts: int = Field(4, ge=1)

    grace: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 1.0
    pids: int = Field(128, ge=1)
    disk: Bytes = Field("64m", validate_default=True)
    output_limit: Bytes = Field("1m", validate_default=True)
    max_timeout: Seconds = 600.0
    max_grace: Seconds = 30.0
    max_memory: Bytes = Field("2g", validate_default=True)
    max_cpus: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 4.0
    max_pids: int = Field(1024, ge=1)
    max_disk: Bytes = Field("512m", validate_default=True)
    max_output_limit: Bytes = Field("16m", validate_default=True)
    max_input: Bytes = Field("32m", validate_default=True)
    margin: Seconds = 15.0

    owner: str = Field("cellblock", pattern=r"^[A-Za-z0-9._-]{1,64}$")
    docker_host: str | None = None
    oci_runtime: str | None = None
    runtimes: Path | None = None
    pull: Literal["missing", "never"] = "missing"
    pull_timeout: Seconds = 300.0
    warm: int = Field(0, ge=0)
    network: bool = False
    flower_basic_auth: SecretStr | None = None
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"

    @property
    def timeout_s(self) -> float:
        """The default `timeout` of a job, in seconds."""
        return self.docker_timeout_ms / 1000

    @property
    def longest(self) -> Ladder:
        """The ladder of the longest job that these settings allow."""
        return ladder(self.max_timeout, self.max_grace, self.margin)

    @field_validator("docker_host")
    @classmethod
    def _has_scheme(cls, host: str | None) -> str | None:
        if host is not None and "://" not in host:
            raise ValueError("give an address with its scheme, such as unix:///var/run/docker.sock")
        return host

    @field_validator("runtimes")
    @classmethod
    def _is_file(cls, path: Path | None) -> Path | None:
        if path is not None and not path.is_file():
            raise ValueError("there is no such file")
        return path

    @field_validator("autoscale")
    @classmethod
    def _max_first(cls, pair: str | None) -> str | None:
        if pair is not None:
            most, least = (int(count) for count in pair.split(","))
            if not most >= least >= 1:
                raise ValueError("give the largest pool first, such as 8,2; the smallest is at least 1")
        return pair

    @model_validator(mode="after")
    def _defaults_within_maxima(self) -> Settings:
        for name, default, maximum in (
            ("DOCKER_TIMEOUT", self.timeout_s, "max_timeout"),
            ("DOCKER_MEMORY_LIMIT", self.docker_memory_limit_bytes, "max_memory"),
            ("DOCKER_CPU_LIMIT", self.docker_cpu_limit, "max_cpus"),
            ("CELLBLOCK_GRACE", self.grace, "max_grace"),
            ("CELLBLOCK_PIDS", self.pids, "max_pids"),
            ("CELLBLOCK_DISK", self.disk, "max_disk"),
            ("CELLBLOCK_OUTPUT_LIMIT", self.output_limit, "max_output_limit"),
        ):
            if default > getattr(self, maximum):
                most = f"CELLBLOCK_{maximum.upper()}={getattr(self, maximum)}"
                raise ValueError(f"{name} sets a default of {default}, above {most}")
        return self

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """What the code passes comes first, then the environment, then files that the environment names."""
        return init_settings, env_settings, _FileSource(settings_cls)


def load_settings(**overrides: object) -> Settings:
    """The settings of this process.

    Raises:
        InvalidSetting: naming each bad variable, its value and what is allowed; secret values are left out.
    """
    try:
        return Settings(**overrides)  # type: ignore[arg-type]
    except ValidationError as error:
        raise InvalidSetting(_explain(error.errors())) from None


class _FileSource(PydanticBaseSettingsSource):
    """`<NAME>_FILE=/run/secrets/x` gives `<NAME>` that file's content, as the official Docker images do."""

    def get_field_value(self, field: Any, field_name: str) -> tuple[Any, str, bool]:  # noqa: ANN401
        variable = f"{_variable(field_name)}_FILE"
        path = os.environ.get(variable)
        try:
            return (Path(path).read_text().rstrip("\r\n") if path else None), _key(field_name), False
        except (OSError, UnicodeDecodeError) as error:
            raise InvalidSetting(f"{variable}={path}: the file cannot be read: {error}") from None

    def __call__(self) -> dict[str, Any]:
        found = (self.get_field_value(field, name) for name, field in Settings.model_fields.items())
        return {key: value for value, key, _ in found if value is not None}


def _key(field_name: str) -> str:
    alias = Settings.model_fields[field_name].validation_alias
    return alias if isinstance(alias, str) else field_name


def _variable(field_name: str) -> str:
    key = _key(field_name)
    return key if key.isupper() else f"CELLBLOCK_{key.upper()}"


def _explain(errors: Iterable[ErrorDetails]) -> str:
    return "; ".join(_sentence(error) for error in errors)


def _sentence(error: ErrorDetails) -> str:
    message = error["msg"].removeprefix("Value error, ")
    if not error["loc"]:
        return message
    name = str(error["loc"][0])
    field = name if name in Settings.model_fields else None
    variable = _variable(field) if field else (name if name.isupper() else f"CELLBLOCK_{name.upper()}")
    return f"{variable}={_shown(name, error['input'])}: {message}"


def _shown(name: str, value: object) -> str:
    field = Settings.model_fields.get(name)
    return "(secret)" if field is not None and "SecretStr" in str(field.annotation) else repr(value)
