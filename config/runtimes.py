"""The runtime catalogue: data, which operators extend without touching code."""

from __future__ import annotations

import re
import tomllib
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from config.inheritance import inherited
from config.packages import Packages
from config.quoting import quoted
from config.setting_types import Bytes
from config.settings import InvalidSetting

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = [
    "BASH",
    "HEAP_REPORT",
    "HEAP_SHARE",
    "Catalogue",
    "Runtime",
    "RuntimeLimits",
    "Start",
    "fill_memory",
    "load_catalogue",
]

#: As the first word of a command: bash, where the cell has it, else /bin/sh.
BASH = "{bash}"

#: The share of a cell's memory that a language's heap may fill. The rest is for the runtime itself.
HEAP_SHARE = 0.75

#: Where, in a cell, a language's runtime reports that its heap is full. The file's content does not matter.
HEAP_REPORT = "/tmp/.heap-report"  # noqa: S108  in the cell

_BUILTIN = Path(__file__).with_name("runtimes.toml")
_NAME = re.compile(r"[a-z][a-z0-9_-]{0,31}")
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")


class RuntimeLimits(BaseModel):
    """Defaults of one runtime, in the units of the job's own arguments; None leaves the settings' default."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    timeout: float | None = None
    grace: float | None = None
    memory: Bytes | None = None
    cpus: float | None = None
    pids: int | None = None
    disk: Bytes | None = None
    output_limit: Bytes | None = None
    cpu_time: float | None = None
    stack: Bytes | None = None


def fill_memory(text: str, memory_bytes: int) -> str:
    """`text` with the cell's memory in its placeholders, which the head of `runtimes.toml` describes."""
    heap_bytes = int(HEAP_SHARE * memory_bytes)
    places = {
        "{memory_mib}": str(memory_bytes >> 20),
        "{heap_mib}": str(heap_bytes >> 20),
        "{heap_hex}": f"{heap_bytes:X}",
        "{heap_report}": HEAP_REPORT,
    }
    for place, value in places.items():
        text = text.replace(place, value)
    return text


class Start(BaseModel):
    """How a job with files but no command is started, if it has files that match.

    Patterns are as `config.globs` takes them, and upper and lower case are the same. The head of
    `runtimes.toml` describes the other keys and the placeholders.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    files: tuple[str, ...] = Field(min_length=1)
    run: tuple[str, ...] = Field(min_length=1)
    compile: tuple[str, ...] = ()
    also: tuple[str, ...] = ()
    leave: tuple[str, ...] = ()
    beside: str | None = None
    contains: str | None = None
    value: str | None = None
    value_is_file: bool = False
    prefers: str | None = None
    main: Literal["java", "c"] | None = None


class Runtime(BaseModel):
    """One language: its image, the files it owns, and how a job with files but no command starts.

    A runtime that extends another has inherited what that one has, and adds `packages`.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    image: str
    image_of: str = ""
    extends: str | None = None
    packages: Packages = Packages()
    packages_from: Literal["pip", "npm", "apt"] = "apt"
    extensions: tuple[str, ...] = ()
    shebangs: tuple[str, ...] = ()
    names: tuple[str, ...] = ()
    aliases: tuple[str, ...] = ()
    shell: Literal["sh", "bash"] = "sh"
    start: tuple[Start, ...] = ()
    compile_image: str | None = None
    env: dict[str, str] = Field(default_factory=dict)
    joined: tuple[str, ...] = ()
    aborts_when_full: bool = False
    says_when_full: tuple[Annotated[str, Field(min_length=1)], ...] = ()
    limits: RuntimeLimits = RuntimeLimits()
    compile_limits: RuntimeLimits = RuntimeLimits()

    @field_validator("image", "compile_image")
    @classmethod
    def _is_pinned_whole(cls, image: str | None) -> str | None:
        """Refuse a malformed digest here: the engine's own error would not mention the catalogue."""
        if image is None:
            return None
        _, at, digest = image.rpartition("@")
        if (at or image.startswith("sha256:")) and not _DIGEST.fullmatch(digest):
            raise ValueError("a digest is sha256: and 64 hexadecimal digits")
        return image

    @model_validator(mode="after")
    def _adds_to_another(self) -> Self:
        if self.packages and not self.extends:
            raise ValueError("packages are added to another runtime's: name that one by `extends`")
        return self

    def environment(self, memory_bytes: int) -> dict[str, str]:
        """The environment of a job in a cell with `memory_bytes` of memory."""
        return {name: fill_memory(value, memory_bytes) for name, value in self.env.items()}

    def with_own(self, own: Mapping[str, str], memory_bytes: int) -> dict[str, str]:
        """A job's `own` variables. Those in `joined` begin with the runtime's own value."""
        base = self.environment(memory_bytes)
        return {
            name: f"{base[name]} {value}" if name in self.joined and name in base else value
            for name, value in own.items()
        }

    def is_full(self, peak_bytes: int | None, memory_bytes: int) -> bool:
        """Whether a job that aborts with this peak of memory has done so because its heap is full."""
        return self.aborts_when_full and (peak_bytes or 0) >= HEAP_SHARE * memory_bytes

    def says_full(self, last_lines: Sequence[str]) -> bool:
        """Whether the language's runtime says by one of these lines that it got no memory."""
        return any(line.startswith(self.says_when_full) for line in last_lines)

    @property
    def compiler(self) -> Runtime:
        """The same runtime in the cells of a first stage, which may be made from another image."""
        return self.model_copy(update={"image": self.compile_image or self.image, "compile_image": None})

    def shell_argv(self, text: str) -> tuple[str, ...]:
        """The argument list that has the cell's shell run `text`."""
        return (BASH if self.shell == "bash" else "/bin/sh", "-c", text)

    @property
    def is_pinned(self) -> bool:
        """Whether `image` names one image for ever, by its digest or its id."""
        return "@" in self.image or self.image.startswith("sha256:")

    @property
    def images(self) -> tuple[str, ...]:
        """The images that its cells may be made from, by preference. A pinned image has no substitute."""
        return (self.image,) if self.is_pinned or self.is_built else (self.image, self.local_image)

    @property
    def is_built(self) -> bool:
        """Whether its only image is the one that is built here, which no registry has."""
        return self.image == self.local_image

    @property
    def local_image(self) -> str:
        """The tag under which `cellblock images build` leaves this runtime's image, or the one it extends."""
        return f"cellblock/{self.image_of or self.name}:local"


Catalogue = dict[str, Runtime]


def load_catalogue(operators_file: Path | None = None) -> Catalogue:
    """Every runtime by name: the built-in ones, with the operator's laid over them.

    Raises:
        InvalidSetting: when the operator's file is not readable TOML or an entry of it makes no sense.
    """
    return dict(_load(operators_file))


@cache
def _load(operators_file: Path | None) -> Mapping[str, Runtime]:
    tables = _read(_BUILTIN)
    for name, table in (_read(operators_file) if operators_file else {}).items():
        tables[name] = tables.get(name, {}) | table if isinstance(table, dict) else table
    return {name: _runtime(name, table) for name, table in inherited(tables).items()}


def _read(path: Path) -> dict[str, dict[str, Any]]:
    try:
        return tomllib.loads(path.read_text())
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise InvalidSetting(f"CELLBLOCK_RUNTIMES={path}: {error}") from None


def _runtime(name: str, table: object) -> Runtime:
    if not isinstance(table, dict) or not _NAME.fullmatch(name):
        raise InvalidSetting(f"Runtime {quoted(name)}: give a table under a lower-case name, such as [perl]")
    try:
        return Runtime(name=name, **table)
    except ValidationError as error:
        first = error.errors()[0]
        what = first["msg"].removeprefix("Value error, ")
        where = ".".join(str(part) for part in (name, *first["loc"]))
        raise InvalidSetting(f"Runtime catalogue, {where}: {what}") from None
