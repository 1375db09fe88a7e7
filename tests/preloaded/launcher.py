"""Stands for a command that another program starts.

    python -I -S launcher.py SOCKET MODULE OPTION…

It asks the server for the process, on its own streams and with its own environment, passes signals on, and
ends as that process does. It imports little, so that its own start takes no time.
"""

import json
import os
import signal
import socket
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryFile

_PASSED_ON = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


def ask(
    path: str, argv: Sequence[str], env: Mapping[str, str], cwd: str, streams: Sequence[int]
) -> socket.socket:
    """Have the server at `path` start a command on these three streams. It answers on the connection."""
    asked = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    asked.connect(path)
    with TemporaryFile("w+") as file:
        json.dump({"argv": argv, "env": dict(env), "cwd": cwd}, file)
        file.seek(0)
        socket.send_fds(asked, [b"."], [file.fileno(), *streams])
    return asked


def main(path: str, *argv: str) -> int:
    """Run the command, and return its exit code."""
    # A signal that comes before the command's number does waits until it can be passed on.
    signal.pthread_sigmask(signal.SIG_BLOCK, _PASSED_ON)
    with ask(path, argv, os.environ, str(Path.cwd()), range(3)) as asked:
        pid = int(asked.recv(32))
        for number in _PASSED_ON:
            signal.signal(number, lambda caught, _: os.kill(pid, caught))
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _PASSED_ON)
        for stream in range(3):
            os.close(stream)
        return int(asked.recv(32))


if __name__ == "__main__":
    code = main(*sys.argv[1:])
    if code < 0:
        signal.signal(-code, signal.SIG_DFL)
        os.kill(os.getpid(), -code)
    os._exit(code)
