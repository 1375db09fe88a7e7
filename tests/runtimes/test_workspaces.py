"""The workspace of a job of two stages: the compiler finds it, and so does the run."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from config import load_settings
from sandbox import Sandbox, Status
from sandbox.result import Stage
from tests.sandbox.blob_folder import Workspaces

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import docker

    from sandbox import Result

PRINTS = '#include <stdio.h>\n#include "word.h"\nint main(void) { fopen("left", "w"); puts(WORD); }\n'


@pytest.fixture
def workspaces(engine: docker.APIClient, tmp_path: Path) -> Iterator[Workspaces]:
    del engine
    with Sandbox(load_settings(pull="never")) as sandbox:
        yield Workspaces(sandbox, tmp_path)


def compiled(workspaces: Workspaces, source: str, workspace: str | None) -> Result:
    job = workspaces.sandbox.parse(
        None, "cpp", files={"main.c": source}, workspace=workspace, keep_workspace=True
    )
    return workspaces.sandbox.run_job(job, blobs=workspaces.store)


def test_both_stages_work_on_the_workspace_and_what_they_leave_is_kept(workspaces: Workspaces) -> None:
    begun = workspaces.run("echo '#define WORD \"hi\"' > word.h; touch -d @1.5 word.h", keep_workspace=True)
    ran = compiled(workspaces, PRINTS, begun.workspace)
    assert (ran.status, ran.stdout, ran.stage) == (Status.SUCCEEDED, "hi\n", Stage.RUN)
    found = workspaces.run("ls; stat -c %.Y word.h; ./program", workspace=ran.workspace)
    assert found.stdout == "left\nmain.c\nprogram\nword.h\n1.500000000\nhi\n"


def test_a_compiler_that_fails_leaves_a_workspace_too(workspaces: Workspaces) -> None:
    failed = compiled(workspaces, "int main(void) { return", None)
    assert (failed.status, failed.stage) == (Status.FAILED, Stage.COMPILE)
    assert workspaces.run("ls", workspace=failed.workspace).stdout == "main.c\n"
