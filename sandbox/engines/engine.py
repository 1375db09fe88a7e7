"""What an engine must be able to do. All modules outside of an engine's package use only this."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from sandbox.labels import FoundLabels

if TYPE_CHECKING:
    from collections.abc import Sequence

    from config import Runtime
    from config.hosts import Host
    from sandbox.cell import Cell, CellInfo
    from sandbox.limits import Limits

__all__ = ["CellSpec", "Egress", "Engine", "FoundCell", "OpenCell", "Stream", "egress_names", "new_name"]


def new_name() -> str:
    """A unique name. It is chosen before the call that makes a cell, which may seem to fail and succeed."""
    return f"cellblock-{secrets.token_hex(6)}"


def egress_names(cell: str) -> tuple[str, str]:
    """The names of a cell's relay and proxy. After an error they are removed by these names."""
    return f"{cell}-1", f"{cell}-2"


class Stream(Protocol):
    """An open file descriptor. Closing it twice does nothing."""

    def fileno(self) -> int:
        """The descriptor's number."""

    def close(self) -> None:
        """Close the descriptor."""


@dataclass(frozen=True, slots=True)
class CellSpec:
    """A cell to be made. `network`: whether it may use the engine's own network."""

    name: str
    runtime: Runtime
    limits: Limits
    labels: Mapping[str, str]
    network: bool = False


@dataclass(frozen=True, slots=True)
class OpenCell:
    """A started cell, whose supervisor waits for its orders.

    `streams` are one to three: one that carries all, or one each for input, output and errors. When the input
    is closed, the cell ends. `env` holds variables that the job needs besides the cell's own, for example for
    other limits. `group` is the path of its control group, if whoever made or claimed the cell knows that.
    """

    name: str
    info: CellInfo
    streams: tuple[Stream, ...] = ()
    env: Mapping[str, str] = field(default_factory=dict)
    group: str | None = None


@dataclass(frozen=True, slots=True)
class FoundCell:
    """A container that an engine lists.

    `dead_since` is None if it runs. Otherwise it is a function that asks since when it is dead: in Unix
    seconds of the engine's clock, or infinity if it no longer exists. It raises `SandboxUnavailable` if the
    engine does not answer.
    """

    name: str
    labels: FoundLabels
    dead_since: Callable[[], float] | None = None


@dataclass(frozen=True, slots=True)
class Egress:
    """A cell's open way to a list of hosts: variables for its programs, and a stream of each companion.

    A companion is a container beside the cell. It ends when its stream is closed.
    """

    env: Mapping[str, str]
    streams: Mapping[str, Stream]


class Engine(Protocol):
    """Makes cells and removes them. One instance is used in one process, by any of its threads.

    All methods but `cell`, `adopt` and `close` raise `SandboxUnavailable` if the engine fails or does not
    answer.
    """

    #: Whether a removal takes so long that no job should wait for it.
    removes_slowly: bool
    #: Whether a cell takes far more processor time to make than a short job.
    makes_slowly: bool

    def make(self, spec: CellSpec) -> OpenCell:
        """Make and start a cell. After an error the caller must remove it by its name."""

    def cell(self, opened: OpenCell) -> Cell:
        """The conversation with an open cell."""

    def adopt(self, descriptors: Sequence[int]) -> tuple[Stream, ...]:
        """The streams of an open cell that another process has handed over."""

    def adapt(self, opened: OpenCell, limits: Limits) -> None:
        """Change the memory and CPU limits of an open cell."""

    def open_egress(
        self, cell: str, hosts: Sequence[Host], limits: Limits, labels: Mapping[str, str]
    ) -> Egress:
        """Open a way from the cell to `hosts` and nothing else. The companions are removed by their names."""

    def remove(self, name: str, *, ends: bool = False) -> None:
        """Kill and remove a cell or a companion, and make sure that it is gone.

        `ends`: its input is closed, so that it ends by itself in a moment.
        """

    def list(self) -> list[FoundCell]:
        """The containers of this deployment, dead ones included."""

    def now(self) -> float:
        """What the engine's clock says, to the second, in Unix seconds."""

    def ping(self) -> None:
        """Return once the engine has answered, on a new connection, within a third of its margin."""

    def close(self) -> None:
        """Close the connection."""
