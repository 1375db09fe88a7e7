"""The create call of Docker Engine for a profile."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sandbox.profile import cell_profile

if TYPE_CHECKING:
    from sandbox.profile import Profile, Tmpfs

__all__ = ["container_config", "create_call"]


def container_config(**about: Any) -> dict[str, Any]:  # noqa: ANN401  those of `cell_profile`
    """The body of the create call for a cell. The arguments are those of `cell_profile`."""
    return create_call(cell_profile(**about))


def create_call(profile: Profile) -> dict[str, Any]:
    """The body of the engine's create call (Docker Engine API, "Create a container")."""
    return {
        "Image": profile.image,
        "Entrypoint": list(profile.program),
        "Cmd": [],
        "User": f"{profile.user}:{profile.user}",
        "WorkingDir": "/",
        **({"Hostname": profile.hostname} if profile.hostname else {}),
        "Env": [f"{name}={value}" for name, value in profile.env.items()],
        "Labels": dict(profile.labels),
        "NetworkDisabled": not profile.network,
        "Healthcheck": {"Test": ["NONE"]},  # stops: an image's health check beside the job
        "StopSignal": "SIGKILL",  # an engine that restarts need not wait for programs that ignore SIGTERM
        "OpenStdin": True,
        "StdinOnce": True,  # stops: outliving the worker, because then the supervisor's input ends
        "AttachStdin": True,
        "AttachStdout": True,
        "AttachStderr": True,
        "Tty": False,
        "HostConfig": _host_config(profile),
    }


def _host_config(profile: Profile) -> dict[str, Any]:
    return {
        "CapDrop": ["ALL"],  # stops: mount, raw sockets, device nodes, chown, setuid, ptrace of others, …
        "SecurityOpt": [
            "no-new-privileges:true",  # stops: becoming root by a setuid program of the image
            f"seccomp={profile.seccomp}",
        ],
        "MaskedPaths": list(profile.masked_paths),
        "ReadonlyRootfs": True,  # stops: changing the image's programs, filling the host's disk
        "Tmpfs": _tmpfs(profile),
        "ShmSize": profile.shm_bytes,
        "IpcMode": profile.ipc,
        "CgroupnsMode": "private",  # stops: seeing the host's tree of control groups
        "Memory": profile.memory_bytes,
        "MemorySwap": profile.memory_bytes,  # stops: a memory bomb in swap; this is memory and swap together
        "KernelMemoryTCP": profile.socket_bytes,
        "OomScoreAdj": profile.oom_score_adj,
        "PidsLimit": profile.pids,
        "CpuPeriod": profile.cpu.period_us,
        "CpuQuota": profile.cpu.quota_us,
        "Ulimits": [{"Name": name, "Soft": most, "Hard": most} for name, most in profile.ulimits.items()],
        **({"Sysctls": dict(profile.sysctls)} if profile.sysctls else {}),
        "BlkioDeviceReadBps": [
            {"Path": device, "Rate": bytes_s} for device, bytes_s in profile.disk_reads.items()
        ],
        "LogConfig": {"Type": "none", "Config": {}},  # stops: filling the host's disk with logs
        "RestartPolicy": {"Name": "no"},
        "AutoRemove": False,  # the engine is asked afterwards how the container ended
        "Init": False,
        **({"NetworkMode": profile.network} if profile.network else {}),
        **({"Runtime": profile.oci_runtime} if profile.oci_runtime else {}),
    }


def _tmpfs(profile: Profile) -> dict[str, str]:
    """The mounts. Without mode and owner, the engine would copy those of the image's folder.

    A volume that the image declares would become a writable folder on the host's disk. So an
    empty file system that nobody can write to is mounted there.
    """
    own = {path: _options(one, profile.user) for path, one in profile.tmpfs.items()}
    return own | dict.fromkeys(profile.volumes, "ro,size=4k")


def _options(one: Tmpfs, user: int) -> str:
    may_run = "exec" if one.exec else "noexec"
    room = f"size={one.size_bytes},nr_inodes={one.inodes},nosuid,nodev"
    return f"rw,{may_run},{room},mode={one.mode:04o},uid={user},gid={user}"
