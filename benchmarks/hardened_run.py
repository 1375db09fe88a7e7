"""`docker run` with flags that match the cell's profile."""

from __future__ import annotations

from sandbox.profile import CELL_USER

__all__ = ["docker_run"]


def docker_run(image: str, *command: str, rm: bool = True) -> list[str]:
    """The command line. Without `rm` the container starts in the background and is not removed at its end."""
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
