"""An agent that works in a workspace: each command runs in a cell of its own and finds the same files.

Where `STEPS` stand, a real agent asks its model for the next command and shows it what the last one printed.

    CELLBLOCK_BROKER_URL=redis://localhost:6379/0 python examples/agent/agent.py
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from cellblock import Cellblock, Result

if TYPE_CHECKING:
    from collections.abc import Iterator

FILES = {
    "prices.py": "def total(prices):\n    return sum(prices[1:])\n",
    "test_prices.py": "from prices import total\n\nassert total([1, 2]) == 3, total([1, 2])\nprint('ok')\n",
}
STEPS = (
    "git init -q && git add . && git -c user.name=agent -c user.email=agent@localhost commit -qm 'As it was'",
    "python3 test_prices.py",
    "sed -i 's/prices\\[1:\\]/prices/' prices.py",
    "python3 test_prices.py",
    "git diff --stat",
)


@dataclass(slots=True)
class Workspace:
    """Files that outlast the cell of a command. To fork it, copy its `ref`."""

    cells: Cellblock
    runtime: str = "python"
    ref: str | None = None

    def run(self, cmd: str, **options: object) -> Result:
        """Run a command on the files, and keep what it has made of them.

        Raises:
            RuntimeError: its files could not be kept. Those from before it are still there.
        """
        before = {} if self.ref is None else {"workspace": self.ref}
        result = self.cells.run(cmd, self.runtime, keep_workspace=True, **before, **options)  # type: ignore[arg-type]
        if result.workspace is None:
            raise RuntimeError(f"The workspace was not kept: {result.workspace_skipped}")
        self.ref = result.workspace
        return result


def work(cells: Cellblock) -> Iterator[tuple[str, Result]]:
    """Each command with its result."""
    workspace = Workspace(cells)
    workspace.run("true", files=FILES)
    for cmd in STEPS:
        yield cmd, workspace.run(cmd, timeout=20)


def main() -> None:
    """Show what the agent does and what it sees."""
    for cmd, result in work(Cellblock()):
        print(f"$ {cmd}\n{result.stdout}{result.stderr}", end="")
        if result.exit_code:
            print(f"(exit code {result.exit_code})")


if __name__ == "__main__":
    main()
