"""The keeper's protocol: each cell is passed to one claimant, as a file descriptor."""

from __future__ import annotations

import os
import signal
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from sandbox.cell import CellInfo
from sandbox.engines.engine import OpenCell
from sandbox.warm import KeeperClient
from sandbox.warm.keeper import serve
from tests.waiting import PATIENCE, wait_until


class Stock:
    """A pool whose connections lead to the test. The protocol does not depend on what is behind them."""

    def __init__(self, count: int) -> None:
        pairs = [socket.socketpair() for _ in range(count)]
        #: What follows from a claim takes until then.
        self.may_note = threading.Event()
        self.may_note.set()
        self.has_noted = False
        self.far_ends = [far for _, far in pairs]
        self._near_ends = [near for near, _ in pairs]
        # These references keep the garbage collector from closing the sockets. Only the keeper closes them.
        self._given: list[socket.socket] = []

    def take(self, runtime: str) -> OpenCell | None:
        if runtime != "bash" or not self._near_ends:
            return None
        number = len(self._near_ends)
        self._given.append(self._near_ends.pop())
        info = CellInfo("docker", container=f"cell-{number}", warm=True)
        return OpenCell(f"cell-{number}", info, (self._given[-1],), group=f"/docker/{number}")

    def note_claims(self) -> None:
        if self._given:
            self.has_noted = self.may_note.wait(20)

    def close(self) -> None:
        for end in (*self.far_ends, *self._near_ends):
            end.close()


def client_of(path: str) -> KeeperClient:
    """A client of the keeper that listens on `path`."""
    return KeeperClient(path, lambda descriptors: tuple(socket.socket(fileno=one) for one in descriptors))


def let_go(cell: OpenCell) -> None:
    """Close the streams of a cell, so that it ends."""
    for stream in cell.streams:
        stream.close()


@pytest.fixture
def stock() -> Iterator[Stock]:
    with closing(Stock(3)) as real:
        yield real


@pytest.fixture
def keeper(stock: Stock, tmp_path: Path) -> Iterator[str]:
    """The path of the socket of a keeper that serves the stock until the end of the test."""
    path, (ours, stop) = str(tmp_path / "socket"), socket.socketpair()
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as listener, ours, stop:
        listener.bind(path)
        listener.listen()
        thread = threading.Thread(target=serve, args=(listener, stock.take, stock.note_claims, stop.fileno()))
        thread.start()
        yield path
        ours.send(b".")
        thread.join()


def test_the_connection_that_is_claimed_leads_to_the_cell(stock: Stock, keeper: str) -> None:
    with closing(client_of(keeper)) as client:
        cell = client.claim("bash")
        assert cell is not None
        (stream,) = cell.streams
        os.write(stream.fileno(), b"orders")
        stream.close()

    assert (cell.name, cell.info.warm, stock.far_ends[2].recv(16)) == ("cell-3", True, b"orders")


def test_the_claimant_learns_where_the_cells_usage_can_be_read(keeper: str) -> None:
    with closing(client_of(keeper)) as client:
        cell = client.claim("bash")
        assert cell is not None
        let_go(cell)

    assert cell.group == "/docker/3"


def test_the_claimant_holds_the_only_end(stock: Stock, keeper: str) -> None:
    with closing(client_of(keeper)) as client:
        cell = client.claim("bash")
        assert cell is not None
        let_go(cell)

    stock.far_ends[2].settimeout(10)
    assert stock.far_ends[2].recv(1) == b""


def test_no_cell_is_given_twice(keeper: str) -> None:
    with closing(client_of(keeper)) as one, closing(client_of(keeper)) as other:
        cells = [client.claim("bash") for client in (one, other, one, other)]
    names = [cell.name for cell in cells if cell]
    for cell in filter(None, cells):
        let_go(cell)

    assert (sorted(names), cells[3]) == (["cell-1", "cell-2", "cell-3"], None)


def test_a_claimant_has_its_cell_before_the_keeper_does_what_follows(stock: Stock, keeper: str) -> None:
    stock.may_note.clear()
    with closing(client_of(keeper)) as client:
        cell = client.claim("bash")
    stock.may_note.set()
    assert cell is not None
    let_go(cell)
    wait_until(lambda: stock.has_noted, 10, "the keeper does it")


def test_a_cell_that_was_asked_for_is_the_one_that_is_claimed(keeper: str) -> None:
    with closing(client_of(keeper)) as client:
        client.ask("bash")
        cells = [client.claim("bash"), client.asked(), client.claim("bash")]
    for cell in filter(None, cells):
        let_go(cell)
    assert [cell and cell.name for cell in cells] == ["cell-3", None, "cell-2"]


def test_a_cell_that_was_asked_for_and_not_claimed_can_be_had_once(keeper: str) -> None:
    with closing(client_of(keeper)) as client:
        client.ask("bash")
        cells = [client.asked(), client.asked(), client.claim("bash")]
    for cell in filter(None, cells):
        let_go(cell)
    assert [cell and cell.name for cell in cells] == ["cell-3", None, "cell-2"]


def test_to_ask_where_no_keeper_is_leaves_nothing_to_claim(tmp_path: Path) -> None:
    with closing(client_of(str(tmp_path / "nowhere"))) as client:
        client.ask("bash")
        assert (client.asked(), client.claim("bash")) == (None, None)


def test_a_runtime_with_no_cell_gets_none(keeper: str) -> None:
    with closing(client_of(keeper)) as client:
        assert client.claim("cobol") is None


def test_without_a_keeper_every_claim_is_in_vain_and_says_so(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with closing(client_of(str(tmp_path / "nowhere"))) as client:
        assert client.claim("bash") is None
    assert "cells are made cold" in caplog.text


def test_a_claimant_that_vanishes_leaves_the_keeper_serving(stock: Stock, keeper: str) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as rude:
        rude.connect(keeper)
        rude.send(b"bash")
    with closing(client_of(keeper)) as client:
        cell = client.claim("bash")
    assert cell is not None
    let_go(cell)
    # The vanished claimant could not get this cell. The keeper closed its streams, so that it ends.
    stock.far_ends[2].settimeout(10)
    assert stock.far_ends[2].recv(1) == b""


def test_a_claimed_connection_is_not_inherited_by_programs(keeper: str) -> None:
    with closing(client_of(keeper)) as client:
        cell = client.claim("bash")
    assert cell is not None
    (stream,) = cell.streams
    assert not os.get_inheritable(stream.fileno())
    stream.close()


@pytest.fixture
def frozen(tmp_path: Path) -> Iterator[socket.socket]:
    """A listening socket that replaces the keeper's. It accepts connections and never answers."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as listener:
        listener.bind(str(tmp_path / "socket"))
        listener.listen()
        listener.settimeout(10)
        yield listener


def test_a_keeper_that_does_not_answer_costs_a_quarter_of_a_second_and_its_late_answer_is_nobodys(
    frozen: socket.socket, caplog: pytest.LogCaptureFixture
) -> None:
    with closing(client_of(frozen.getsockname())) as client:
        began = time.monotonic()
        assert client.claim("bash") is None
        assert 0.2 < time.monotonic() - began < 2 * PATIENCE
        assert "does not answer" in caplog.text
        with frozen.accept()[0] as asked:
            assert (asked.recv(64), asked.recv(64)) == (b"bash", b"")


def test_a_claim_that_is_interrupted_leaves_its_answer_to_nobody(
    frozen: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sandbox.warm.client._PATIENCE_S", 20)
    heard: list[bytes] = []

    def strike(*_: object) -> None:
        raise LookupError("a time limit")

    def interrupt() -> None:
        with frozen.accept()[0] as asked:
            heard.append(asked.recv(64))
            os.kill(os.getpid(), signal.SIGALRM)
            heard.append(asked.recv(64))

    before = signal.signal(signal.SIGALRM, strike)
    keeper = threading.Thread(target=interrupt)
    try:
        with closing(client_of(frozen.getsockname())) as client:
            keeper.start()
            with pytest.raises(LookupError):
                client.claim("bash")
            keeper.join(10)
    finally:
        signal.signal(signal.SIGALRM, before)
    assert heard == [b"bash", b""]


def test_a_keeper_that_hangs_up_is_asked_anew_by_the_next_claim(frozen: socket.socket) -> None:
    def hang_up_once() -> None:
        with frozen.accept()[0] as one:
            one.recv(64)
        with frozen.accept()[0] as other:
            other.recv(64)
            with socket.socket() as cell:
                socket.send_fds(
                    other, [b'{"name": "c", "info": {"engine": "docker"}, "group": null}'], [cell.fileno()]
                )

    keeper = threading.Thread(target=hang_up_once)
    keeper.start()
    with closing(client_of(frozen.getsockname())) as client:
        first, second = client.claim("bash"), client.claim("bash")
    keeper.join()
    assert first is None
    assert second is not None
    let_go(second)
    assert second.name == "c"


def test_a_claim_that_is_interrupted_while_its_failure_is_told_leaves_no_answer_either(
    frozen: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    def strike(*_: object) -> None:
        raise LookupError("a time limit")

    monkeypatch.setattr("sandbox.warm.client._PATIENCE_S", 0.01)
    monkeypatch.setattr("sandbox.warm.client._log.warning", strike)
    with closing(client_of(frozen.getsockname())) as client:
        with pytest.raises(LookupError):
            client.claim("bash")
        with frozen.accept()[0] as asked:
            asked.settimeout(5)
            assert [asked.recv(64), asked.recv(64)] == [b"bash", b""]


def test_a_claimant_waits_for_no_keeper_to_fill_its_shelves(tmp_path: Path) -> None:
    assert client_of(str(tmp_path / "nowhere")).wait_until_full(0)


def test_a_reply_that_nobody_has_read_is_not_taken_for_a_later_one(stock: Stock, keeper: str) -> None:
    with closing(client_of(keeper)) as client:
        client.ask("bash")
        wait_until(lambda: stock.has_noted, 10, "it is answered")
        client.ask("cobol")
        assert client.claim("cobol") is None
