"""Other sandboxes from PyPI. Each has its own virtual environment and is timed in its own process."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.surroundings import BenchError

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = [
    "EPICBOX",
    "LLM_SANDBOX",
    "LLM_SANDBOX_REUSED",
    "Peer",
    "PeerProcess",
    "cache_folder",
    "running_peer",
]

_INSTALL_S = 120.0


@dataclass(frozen=True, slots=True)
class Peer:
    """A sandbox. pip installs `packages`; `program` is a file in this folder, and gets `argument`."""

    name: str
    environment: str
    packages: tuple[str, ...]
    program: str
    argument: str = ""


# epicbox 1.1 passes urllib3 an argument that urllib3 2 no longer takes.
EPICBOX = Peer("epicbox 1.1, run", "epicbox", ("epicbox==1.1.0", "urllib3<2"), "peer_epicbox.py")
_LLM_PACKAGES = ("llm-sandbox[docker]>=0.3,<0.4",)
LLM_SANDBOX = Peer(
    "llm-sandbox 0.3, a session for each",
    "llm-sandbox",
    _LLM_PACKAGES,
    "peer_llm_sandbox.py",
    "fresh",
)
LLM_SANDBOX_REUSED = Peer(
    "llm-sandbox 0.3, one session reused",
    "llm-sandbox",
    _LLM_PACKAGES,
    "peer_llm_sandbox.py",
    "reused",
)


def cache_folder() -> Path:
    """The folder that keeps environments and raw results between runs."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    folder = Path(base, "cellblock", "bench")
    folder.mkdir(parents=True, exist_ok=True)
    return folder


class PeerProcess:
    """The process of a peer: it reads one line and answers with the seconds of one run."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def once(self) -> float:
        """Seconds of one run, measured in the peer's process.

        Raises:
            BenchError: the peer failed. The message has the peer's error.
        """
        if self._process.stdin is None or self._process.stdout is None:
            raise BenchError("The peer has no streams.")
        try:
            self._process.stdin.write("\n")
            self._process.stdin.flush()
        except OSError as error:
            raise BenchError(f"It ended: {error}") from None
        answer = json.loads(self._process.stdout.readline() or '{"error": "it ended"}')
        if "error" in answer:
            raise BenchError(answer["error"])
        return float(answer["seconds"])


@contextmanager
def running_peer(peer: Peer, image: str) -> Iterator[PeerProcess]:
    """Start the peer, after installing it if necessary.

    Raises:
        BenchError: the peer can't be installed here. The message says why.
    """
    python = _environment(peer)
    program = Path(__file__).with_name(peer.program)
    command = [str(python), str(program), image, *([peer.argument] if peer.argument else [])]
    process = subprocess.Popen(
        command, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    )
    try:
        yield PeerProcess(process)
    finally:
        process.communicate()


def _environment(peer: Peer) -> Path:
    """The Python interpreter of the peer's environment."""
    folder = cache_folder() / peer.environment
    python, stamp = folder / "bin" / "python", folder / ".stamp"
    wanted = " ".join(peer.packages)
    if not stamp.exists() or stamp.read_text() != wanted:
        _run([sys.executable, "-m", "venv", "--clear", str(folder)])
        _run([str(python), "-m", "pip", "install", "--quiet", "--retries=0", "--timeout=10", *peer.packages])
        stamp.write_text(wanted)
    return python


def _run(command: list[str]) -> None:
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=_INSTALL_S, check=False)
    except subprocess.TimeoutExpired:
        raise BenchError("not installed: pip took too long") from None
    if done.returncode != 0:
        last = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
        raise BenchError(f"not installed: {last}")
