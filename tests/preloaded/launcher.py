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
from pathlib import Path
from tempfile import TemporaryFile


def main(path: str, *argv: str) -> int:
    """Run the command, and return its exit code."""
    about = {"argv": argv, "env": dict(os.environ), "cwd": str(Path.cwd())}
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as asked, TemporaryFile("w+") as file:
        asked.connect(path)
        json.dump(about, file)
        file.seek(0)
        socket.send_fds(asked, [b"."], [file.fileno(), 0, 1, 2])
        pid = int(asked.recv(32))
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, lambda caught, _: os.kill(pid, caught))
        for stream in range(3):
            os.close(stream)
        return int(asked.recv(32))


if __name__ == "__main__":
    code = main(*sys.argv[1:])
    if code < 0:
        signal.signal(-code, signal.SIG_DFL)
        os.kill(os.getpid(), -code)
    os._exit(code)
