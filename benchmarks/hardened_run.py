"""Commands with flags that match the cell's profile, for programs that start one without cellblock."""

from __future__ import annotations

import json
import platform
import secrets
import shutil
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.surroundings import BenchError
from config import load_settings
from config.runtimes import RuntimeLimits
from sandbox.engines.oci.bundle import oci_config
from sandbox.engines.oci.ids import IdRange
from sandbox.engines.oci.mounts import CellMounts
from sandbox.limits import resolve_limits
from sandbox.profile import CELL_USER, cell_profile

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from benchmarks.surroundings import Surroundings

__all__ = ["bubblewrap", "docker_run", "oci_run"]

_UNIFIED = Path("/sys/fs/cgroup/unified")
_FIRST_ID = 100_000


def docker_run(image: str, *command: str, rm: bool = True) -> list[str]:
    """`docker run`. Without `rm` the container starts in the background and is not removed at its end."""
    room = "size=64m,nr_inodes=16384,nosuid,nodev"
    limits = ["--memory=512m", "--memory-swap=512m", "--cpus=2", "--pids-limit=128", "--oom-score-adj=900"]
    ulimits = [f"--ulimit={limit}" for limit in ("core=0", "nofile=1024", "fsize=67108864", "msgqueue=0")]
    walls = ["--cap-drop=ALL", "--security-opt=no-new-privileges", "--read-only", f"--user={CELL_USER}"]
    spaces = [
        "--network=none",
        "--ipc=private",
        "--cgroupns=private",
        "--log-driver=none",
        "--no-healthcheck",
    ]
    disks = [
        f"--tmpfs=/workspace:rw,exec,{room},mode=0700,uid=65534,gid=65534",
        f"--tmpfs=/tmp:rw,noexec,{room}",
    ]
    how = "--rm" if rm else "--detach"
    return ["docker", "run", how, *walls, *spaces, *limits, *ulimits, *disks, image, *command]


def bubblewrap(rootfs: Path, *command: str) -> list[str]:
    """`bwrap` with all namespaces. It makes no control group, so there are no limits."""
    spaces = [
        "--unshare-all",
        "--die-with-parent",
        "--new-session",
        *("--uid", str(CELL_USER)),
        *("--gid", str(CELL_USER)),
    ]
    disks = ["--ro-bind", str(rootfs), "/", "--proc", "/proc", "--dev", "/dev"]
    own = ["--tmpfs", "/workspace", "--tmpfs", "/tmp"]  # noqa: S108  in the sandbox
    return ["bwrap", *spaces, *disks, *own, "--cap-drop", "ALL", *command]


@contextmanager
def oci_run(around: Surroundings, program: str, *command: str) -> Iterator[Callable[[], list[str]]]:
    """A function that gives the command line of an OCI runtime, with a new name each time.

    The bundle is that of a cell, with `command` in place of the supervisor.
    """
    if shutil.which(program) is None:
        raise BenchError(f"no {program} here. Try: apt-get install {program}")
    image, limits = around.oci.image("bash"), resolve_limits({}, RuntimeLimits(), load_settings())
    profile = cell_profile(image=image.id, limits=limits, labels={}, env={}, volumes=image.volumes)
    bundle = around.folder / "bundle"
    bundle.mkdir()
    group = f"/cellblock-{around.run}-bare"
    config = oci_config(
        replace(profile, program=command),
        mounts=CellMounts(image.rootfs, Path("/dev"), bundle, around.folder / "runtime"),
        image_env=image.env,
        ids=IdRange(first=_FIRST_ID),
        user_namespace="",
        cgroup=group,
        machine=platform.machine(),
    )
    # The runtime makes these itself.
    devices = next(one for one in config["mounts"] if one["destination"] == "/dev")
    devices |= {"type": "tmpfs", "source": "tmpfs", "options": ["nosuid", "noexec", "mode=755"]}
    config["linux"]["namespaces"] = [{"type": one["type"]} for one in config["linux"]["namespaces"]]
    (bundle / "config.json").write_text(json.dumps(config))
    # crun refuses to run where both versions of control groups are mounted.
    alone = (
        ["unshare", "--mount", "sh", "-c", f'umount {_UNIFIED}; exec "$@"', "sh"]
        if _UNIFIED.is_mount()
        else []
    )
    words = [*alone, program, "--root", str(around.folder / "runtime"), "run", "--bundle", str(bundle)]
    yield lambda: [*words, f"bare-{secrets.token_hex(4)}"]
