"""The user namespace of a cell: who owns it, and that the worker stays who it is."""

from __future__ import annotations

import ctypes
import fcntl
import os
import re
import struct
from pathlib import Path

import pytest

from sandbox.engines.oci.ids import IdRange
from sandbox.engines.oci.launcher import Launcher
from sandbox.engines.oci.user_namespace import make_user_namespace, path_of
from tests.conftest import unavailable

# <linux/nsfs.h>
NS_GET_OWNER_UID = 0xB704
# <linux/prctl.h>
GET_DUMPABLE, GET_SECUREBITS = 3, 27
prctl = ctypes.CDLL(None).prctl
IDS = IdRange(3_000_000)


@pytest.fixture(autouse=True)
def _root() -> None:
    if os.geteuid() != 0:
        unavailable("The engine oci needs root here.")


def status() -> list[str]:
    """Who the calling thread is, and what it may do."""
    words = "Uid", "Gid", "CapEff", "CapPrm", "SigBlk"
    lines = Path("/proc/thread-self/status").read_text().splitlines()
    return [*(line for line in lines if line.startswith(words)), str(prctl(GET_SECUREBITS))]


def test_the_first_of_its_own_ids_owns_it() -> None:
    with Launcher().do(lambda: make_user_namespace(IDS)) as namespace:
        (owner,) = struct.unpack("I", fcntl.ioctl(namespace, NS_GET_OWNER_UID, bytes(4)))
    assert owner == IDS.first


def test_the_worker_keeps_its_ids_its_rights_and_its_children() -> None:
    launcher, children = Launcher(), Path(f"/proc/self/task/{os.getpid()}/children")
    before, others = launcher.do(status), children.read_text()
    launcher.do(lambda: make_user_namespace(IDS)).close()
    assert launcher.do(status) == before
    assert prctl(GET_DUMPABLE) == 1
    assert children.read_text() == others


def test_its_path_names_no_process_whose_ids_runc_could_take_for_the_cells() -> None:
    with Launcher().do(lambda: make_user_namespace(IDS)) as namespace:
        path = path_of(namespace)
        assert os.path.samestat(Path(path).stat(), os.fstat(namespace.fileno()))
    assert re.match(r"/proc/\d+", path) is None
