"""The guard's own calls to an engine that misbehaves. A scripted server replaces the engine."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

import pytest

from config import load_catalogue
from sandbox.engines.docker.guard.call import Refused
from sandbox.engines.docker.guard.engine import EngineAway, GuardedEngine
from sandbox.engines.docker.guard.images import GuardedImages
from sandbox.engines.docker.guard.owned import Missing, Owned
from tests.sandbox.engines.docker.guard.guard import running_guard
from tests.waiting import PATIENCE

if TYPE_CHECKING:
    from pathlib import Path

    import docker

Body = Callable[[GuardedEngine], Awaitable[Any]]
AWAY = "GET /version HTTP/1.1\r\nHost: x\r\n\r\n"


def answer(status: int, body: object = "", *more: str) -> bytes:
    text = json.dumps(body).encode()
    lines = [f"HTTP/1.1 {status} X", f"Content-Length: {len(text)}", *more]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + text


class Script:
    """An engine that gives these answers in turn, repeats the last one, and counts its connections.

    For an answer of no bytes it stays silent. For None it hangs up.
    """

    def __init__(self, path: Path, *answers: bytes | None) -> None:
        self.path = path
        self.answers = list(answers)
        self.asked: list[str] = []
        self.guests = 0

    def run(self, body: Body, bound_s: float = 5.0) -> Any:
        async def both() -> Any:
            server = await asyncio.start_unix_server(self._serve, str(self.path))
            async with server:
                engine = GuardedEngine(f"unix://{self.path}", bound_s)
                try:
                    return await body(engine)
                finally:
                    await engine.close()

        return asyncio.run(both())

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.guests += 1
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                self.asked.append(head.decode().splitlines()[0])
                said = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
                if said is None:
                    return
                writer.write(said)
        except (asyncio.IncompleteReadError, OSError):
            return
        finally:
            writer.close()


def inspect(engine: GuardedEngine) -> Awaitable[Any]:
    return engine.inspect("containers", "a b", "json")


@pytest.mark.parametrize(("status", "found"), [(200, {"Id": "x"}), (404, None), (400, None)])
def test_the_engine_is_asked_for_one_thing(tmp_path: Path, status: int, found: object) -> None:
    script = Script(tmp_path / "s", answer(status, {"Id": "x"}))
    assert script.run(inspect) == found
    assert script.asked == ["GET /containers/a%20b/json HTTP/1.1"]


@pytest.mark.parametrize(
    "said", [answer(500), None, b"no HTTP\r\n\r\n", b"", answer(200)[:-1], answer(101)], ids=repr
)
def test_an_engine_that_answers_nothing_useful_is_away(tmp_path: Path, said: bytes | None) -> None:
    began = time.monotonic()
    with pytest.raises(EngineAway):
        Script(tmp_path / "s", said).run(inspect, bound_s=0.3)
    assert time.monotonic() - began < 5 * PATIENCE


def test_an_engine_that_is_not_there_is_away(tmp_path: Path) -> None:
    with pytest.raises(EngineAway, match="does not answer"):
        asyncio.run(GuardedEngine(f"unix://{tmp_path}/none", 5).open())


def test_calls_share_a_connection_one_after_the_other(tmp_path: Path) -> None:
    script = Script(tmp_path / "s", answer(200, {}))

    async def thrice(engine: GuardedEngine) -> None:
        for _ in range(3):
            await inspect(engine)

    script.run(thrice)
    assert (len(script.asked), script.guests) == (3, 1)


def test_a_connection_that_the_engine_has_closed_is_not_used_again(tmp_path: Path) -> None:
    script = Script(tmp_path / "s", answer(200, {}), None, answer(200, {"Id": "x"}))

    async def twice(engine: GuardedEngine) -> Any:
        await inspect(engine)
        (idle,) = engine._idle
        idle.reader.feed_eof()
        return await inspect(engine)

    script.answers = [answer(200, {}), answer(200, {"Id": "x"})]
    assert script.run(twice) == {"Id": "x"}
    assert script.guests == 2


def test_sixteen_connections_wait_for_a_next_call_at_most(tmp_path: Path) -> None:
    script = Script(tmp_path / "s", answer(200, {}))

    async def many(engine: GuardedEngine) -> int:
        await asyncio.gather(*(inspect(engine) for _ in range(20)))
        return len(engine._idle)

    assert script.run(many) == 16


def container(owner: str | None, container_id: str = "1") -> bytes:
    return answer(200, {"Id": container_id, "Config": {"Labels": owner and {"cellblock.owner": owner}}})


@pytest.mark.parametrize("owner", ["they", None])
def test_a_container_of_somebody_else_is_refused_whenever_it_is_asked_for(
    tmp_path: Path, owner: str | None
) -> None:
    script = Script(tmp_path / "s", container(owner))

    async def twice(engine: GuardedEngine) -> None:
        owned = Owned(engine, "we")
        for _ in range(2):
            with pytest.raises(Refused):
                await owned.container("one")

    script.run(twice)


def test_a_container_that_there_is_not_is_missing(tmp_path: Path) -> None:
    with pytest.raises(Missing, match="No such container: one"):
        Script(tmp_path / "s", answer(404)).run(lambda engine: Owned(engine, "we").container("one"))


def test_the_id_of_a_container_is_asked_for_once_and_again_when_it_is_forgotten(tmp_path: Path) -> None:
    script = Script(tmp_path / "s", container("we", "1"), container("we", "2"))

    async def ask(engine: GuardedEngine) -> list[str]:
        owned = Owned(engine, "we")
        ids = [await owned.container("one"), await owned.container("one")]
        owned.forget("one")
        return [*ids, await owned.container("one")]

    assert script.run(ask) == ["1", "1", "2"]


def test_4096_ids_are_remembered_and_the_oldest_is_forgotten_first(tmp_path: Path) -> None:
    script = Script(tmp_path / "s", container("we"))

    async def ask(engine: GuardedEngine) -> None:
        owned = Owned(engine, "we")
        owned._ids.update({f"n{number}": "x" for number in range(4096)})
        await owned.container("one")
        assert len(owned._ids) == 4096
        assert "n0" not in owned._ids

    script.run(ask)


def test_an_image_is_known_for_three_minutes_after_the_engine_had_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [1000.0]
    monkeypatch.setattr("sandbox.engines.docker.guard.images.time.monotonic", lambda: now[0])
    found = answer(200, {"Id": "sha256:1", "Size": 1})
    # At the second look, the named image, the local build and the proxy's image are all missing.
    script = Script(tmp_path / "s", found, answer(404))

    async def ask(engine: GuardedEngine) -> list[bool]:
        images = GuardedImages(engine, load_catalogue())
        known = []
        for later_s in (0, 179, 2):
            now[0] += later_s
            known.append(await images.find("bash", "sha256:1") is not None)
        return known

    assert script.run(ask) == [True, True, False]


def test_a_guard_whose_engine_is_not_there_says_so_and_hangs_up_on_who_asks(
    tmp_path: Path, engine: docker.APIClient
) -> None:
    del engine
    with running_guard(tmp_path, CELLBLOCK_DOCKER_HOST="unix:///nonexistent/s") as guard:
        assert guard.say(AWAY.encode()) == b""
        assert guard.say(AWAY.encode()) == b""
    assert "The engine does not answer" in (tmp_path / "guard.log").read_text()
