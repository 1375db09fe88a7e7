"""The keeper's protocol: a cell changes hands as a file descriptor, and only once."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from sandbox.cell import CellInfo
from sandbox.docker_maker import OpenCell
from sandbox.warm import Claim, KeeperClient
from sandbox.warm.keeper import serve


class Stock:
    """A pool of connections that lead to the test: the protocol does not care what is behind them."""

    def __init__(self, count: int) -> None:
        pairs = [socket.socketpair() for _ in range(count)]
        self.far_ends = [far for _, far in pairs]
        self._near_ends = [near for near, _ in pairs]

    def claim(self, runtime: str) -> Claim:
        if runtime != "bash" or not self._near_ends:
            return None
        number = len(self._near_ends)
        return OpenCell(CellInfo("docker", container=f"cell-{number}", warm=True), self._near_ends.pop())

    def wait_until_full(self, within_s: float) -> bool:
        return within_s > 0

    def close(self) -> None:
        for end in (*self.far_ends, *self._near_ends):
            end.close()


@pytest.fixture
def stock() -> Iterator[Stock]:
    with closing(Stock(3)) as real:
        yield real


@pytest.fixture
def keeper(stock: Stock, tmp_path: Path) -> Iterator[str]:
    """A keeper that serves the stock, until its `stop` ends."""
    path, (ours, stop) = str(tmp_path / "socket"), socket.socketpair()
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as listener, ours, stop:
        listener.bind(path)
        listener.listen()
        thread = threading.Thread(target=serve, args=(listener, stock, stop.fileno()))
        thread.start()
        yield path
        ours.send(b".")
        thread.join()


def test_the_connection_that_is_claimed_leads_to_the_cell(stock: Stock, keeper: str) -> None:
    with closing(KeeperClient(keeper)) as client:
        cell = client.claim("bash")
        assert cell is not None
        with cell.connection:
            cell.connection.send(b"orders")

    assert (cell.name, cell.info.warm, stock.far_ends[2].recv(16)) == ("cell-3", True, b"orders")


def test_the_claimant_holds_the_only_end(stock: Stock, keeper: str) -> None:
    with closing(KeeperClient(keeper)) as client:
        cell = client.claim("bash")
        assert cell is not None
        cell.connection.close()

    assert stock.far_ends[2].recv(1) == b""


def test_no_cell_is_given_twice(keeper: str) -> None:
    with closing(KeeperClient(keeper)) as one, closing(KeeperClient(keeper)) as other:
        cells = [client.claim("bash") for client in (one, other, one, other)]
    names = [cell.name for cell in cells if cell]
    for cell in filter(None, cells):
        cell.connection.close()

    assert (sorted(names), cells[3]) == (["cell-1", "cell-2", "cell-3"], None)


def test_a_runtime_with_no_cell_gets_none(keeper: str) -> None:
    with closing(KeeperClient(keeper)) as client:
        assert client.claim("cobol") is None


def test_without_a_keeper_every_claim_is_in_vain_and_says_so(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with closing(KeeperClient(str(tmp_path / "nowhere"))) as client:
        assert client.claim("bash") is None
    assert "cells are made cold" in caplog.text


def test_a_claimant_that_vanishes_leaves_the_keeper_serving(keeper: str) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as rude:
        rude.connect(keeper)
        rude.send(b"bash")
    with closing(KeeperClient(keeper)) as client:
        cell = client.claim("bash")
    assert cell is not None
    cell.connection.close()


def test_a_claimed_connection_is_not_inherited_by_programs(keeper: str) -> None:
    with closing(KeeperClient(keeper)) as client:
        cell = client.claim("bash")
    assert cell is not None
    with cell.connection:
        assert not os.get_inheritable(cell.connection.fileno())
