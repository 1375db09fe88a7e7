"""Starts the machine, copies its output, and waits for its end."""

from __future__ import annotations

import os
import subprocess
from typing import TYPE_CHECKING

from tests.debian13.shell import CannotRun, command

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["run"]

_SHAPE = ("-smp", "2", "-m", "2560", "-cpu", "max")
_BARE = ("-nic", "none", "-display", "none", "-no-reboot")
# Mitigations against processor flaws cost time and change nothing that the tests examine.
_KERNEL = "root=/dev/vda rw console=ttyS0 quiet panic=1 mitigations=off systemd.firstboot=off"
_MOST_S = 7200


def run(system: Path, cargo: Path, console: Path) -> int:
    """Run the machine, and write the tests' output to standard output. Returns pytest's exit code.

    Raises:
        CannotRun: the machine did not run the tests. `console` has its messages.
    """
    command_line: list[str | Path] = [
        *("nice", "-n", "19", "qemu-system-x86_64", *_SHAPE, *_BARE),
        *("-accel", os.environ.get("ACCEL") or "tcg,thread=multi"),
        *("-kernel", system / "vmlinuz", "-initrd", system / "initrd.img", "-append", _KERNEL),
        # The system disk is not changed: QEMU discards what the machine writes to it.
        *("-drive", f"file={system / 'root.ext4'},if=virtio,format=raw,snapshot=on"),
        *("-drive", f"file={cargo},if=virtio,format=raw,cache=unsafe"),
        *("-serial", f"file:{console}", "-serial", "stdio"),
    ]
    try:
        subprocess.run(command_line, stdin=subprocess.DEVNULL, timeout=_MOST_S, check=True)
    except FileNotFoundError as error:
        raise CannotRun("qemu-system-x86_64 is missing. Try: make debian13, as root") from error
    except subprocess.SubprocessError as error:
        raise CannotRun(f"The machine stopped: {error}") from error
    code = command("debugfs", "-R", "cat exit_code", cargo).strip()
    if not code.isdecimal():
        said = console.read_text(errors="replace").splitlines()[-30:]
        raise CannotRun("\n".join(["The machine did not run the tests. Its last messages:", *said]))
    return int(code)
