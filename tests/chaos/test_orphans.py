"""A container was created for a worker that never received the engine's answer."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.chaos.cells import containers_of
from tests.conftest import OWNER
from tests.waiting import wait_until

if TYPE_CHECKING:
    import docker

    from tests.chaos.conftest import Hire, Send
    from tests.chaos.proxy import StallingProxy

BRISK = {"CELLBLOCK_ENGINE_MARGIN": "2", "CELLBLOCK_SILENCE": "2"}


def test_a_worker_killed_between_create_and_its_answer_leaves_nothing(
    hire: Hire, send: Send, link: StallingProxy, engine: docker.APIClient
) -> None:
    worker = hire("one", **BRISK, CELLBLOCK_DOCKER_HOST=link.url)
    link.hold_answer(b"/containers/create")
    handle = send("echo again")
    assert link.held.wait(10), "the engine has answered the create"
    orphan = containers_of(engine, OWNER)
    worker.kill()
    link.heal()
    hire("two", **BRISK)
    wait_until(lambda: not set(orphan) & set(containers_of(engine, OWNER)), 15, "a reaper has passed")
    assert len(orphan) == 1
    assert handle.get(timeout=40)["stdout"] == "again\n"


def test_a_create_that_was_given_up_and_happened_all_the_same_leaves_nothing(
    hire: Hire, send: Send, link: StallingProxy, engine: docker.APIClient
) -> None:
    hire("one", **BRISK, CELLBLOCK_DOCKER_HOST=link.url)
    link.hold_answer(b"/containers/create")
    handle = send("echo again")
    assert link.held.wait(10), "the engine has answered the create"
    assert handle.get(timeout=40)["stdout"] == "again\n"
    wait_until(lambda: not containers_of(engine, OWNER), 15, "nothing is left of it")
