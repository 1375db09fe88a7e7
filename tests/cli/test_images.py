"""`cellblock images ls`."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from tests.programs import run_cli

if TYPE_CHECKING:
    from sandbox import Sandbox

RUNTIMES = ["node", "python", "cpp", "java", "dotnet", "bash"]


def test_every_runtime_is_listed_with_the_image_that_a_job_would_get(sandbox: Sandbox) -> None:
    rows = {row["runtime"]: row for row in json.loads(run_cli("images", "ls", "--json").stdout)}
    assert list(rows) == RUNTIMES
    assert rows["bash"]["image"] == sandbox.run("true", "bash").image


def test_off_a_terminal_no_cell_of_the_table_is_cut(sandbox: Sandbox) -> None:
    outcome = run_cli("images", "ls", COLUMNS="40")
    assert [line.split()[0] for line in outcome.stdout.splitlines()] == ["runtime", *RUNTIMES]
    assert "…" not in outcome.stdout
