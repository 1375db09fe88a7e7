"""Changes that weaken the profile, each with the test that must notice it."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

__all__ = ["EXEMPT", "MUTANTS", "Body", "Mutant"]

Body = dict[str, Any]

_KERNEL, _FILES, _NETWORK, _DISK, _MEMORY, _PROCESSES, _OUTPUT, _DECEPTION = (
    f"tests/hostile/test_{family}.py::test_"
    for family in (
        *("kernel_surface", "filesystem", "network", "disk", "memory_and_cpu", "processes", "output"),
        "deception",
    )
)
_UNCHARGED = "tests/hostile/test_uncharged_memory.py::test_a_job_holds_no_more_than_its_limit_by_way_of"
_UNIT = "tests/sandbox/engines/docker/test_create_call.py::test_"


@dataclass(frozen=True, slots=True)
class Mutant:
    """One change of the body of the create call. `lines` are the keys that it weakens."""

    lines: tuple[str, ...]
    weaken: Callable[[Body], object]
    test: str


def _set(key: str, value: object, test: str) -> Mutant:
    return Mutant((key,), lambda body: body.__setitem__(key, value), test)


def _host(key: str, value: object, test: str) -> Mutant:
    return Mutant((key,), lambda body: body["HostConfig"].__setitem__(key, value), test)


def _tmpfs(place: str, old: str, new: str, test: str) -> Mutant:
    def weaken(body: Body) -> None:
        mounts = body["HostConfig"]["Tmpfs"]
        mounts[place] = ",".join(new if part.startswith(old) else part for part in mounts[place].split(","))

    return Mutant(("Tmpfs",), weaken, test)


def _ulimit(name: str, value: int, test: str) -> Mutant:
    def weaken(body: Body) -> None:
        others = [limit for limit in body["HostConfig"]["Ulimits"] if limit["Name"] != name]
        body["HostConfig"]["Ulimits"] = [*others, {"Name": name, "Soft": value, "Hard": value}]

    return Mutant(("Ulimits", name), weaken, test)


def _unmask(*words: str, test: str) -> Mutant:
    def weaken(body: Body) -> None:
        paths = body["HostConfig"]["MaskedPaths"]
        body["HostConfig"]["MaskedPaths"] = [
            path for path in paths if not any(word in path for word in words)
        ]

    return Mutant(("MaskedPaths",), weaken, test)


def _option(index: int, test: str) -> Mutant:
    return Mutant(("SecurityOpt",), lambda body: body["HostConfig"]["SecurityOpt"].pop(index), test)


def _seccomp(change: Callable[[Body], object], call: str = "", *, test: str = "") -> Mutant:
    def weaken(body: Body) -> None:
        options = body["HostConfig"]["SecurityOpt"]
        rules = json.loads(options[1].removeprefix("seccomp="))
        change(rules)
        options[1] = f"seccomp={json.dumps(rules)}"

    return Mutant(("SecurityOpt",), weaken, test or f"{_KERNEL}the_kernel_refuses[docker-{call}]")


def _allow(*names: str) -> Callable[[Body], object]:
    """Allow these system calls with any arguments."""

    def change(rules: Body) -> None:
        others = [rule for rule in rules["syscalls"] if not set(rule["names"]) & set(names)]
        rules["syscalls"] = [*others, {"names": list(names), "action": "SCMP_ACT_ALLOW"}]

    return change


def _open_family(number: int) -> Callable[[Body], object]:
    """Allow sockets of this family with any type and protocol."""

    def change(rules: Body) -> None:
        family = {"index": 0, "value": number, "op": "SCMP_CMP_EQ"}
        rules["syscalls"].append({"names": ["socket"], "args": [family], "action": "SCMP_ACT_ALLOW"})

    return change


def _open_level(number: int) -> Callable[[Body], object]:
    """Allow socket options of this level."""

    def change(rules: Body) -> None:
        level = {"index": 1, "value": number, "op": "SCMP_CMP_EQ"}
        rules["syscalls"].append({"names": ["setsockopt"], "args": [level], "action": "SCMP_ACT_ALLOW"})

    return change


def _old_calls(rules: Body) -> None:
    rules["archMap"][0]["subArchitectures"] = ["SCMP_ARCH_X86"]


#: Keys that protect nothing: names, streams, the cell's own program, and values that the operator chooses.
EXEMPT = {
    "BlkioDeviceReadBps",
    *("Image", "Entrypoint", "Cmd", "WorkingDir", "Env", "Labels", "HostConfig"),
    *("AttachStdin", "AttachStdout", "AttachStderr", "OpenStdin", "Tty", "AutoRemove", "Init", "StopSignal"),
}

MUTANTS = {
    "User root": _set("User", "0:0", f"{_KERNEL}no_program_gives_rights"),
    "User of root's group": _set("User", "65534:0", f"{_KERNEL}no_program_gives_rights"),
    "Hostname": _set(
        "Hostname",
        "",
        f"{_FILES}the_cell_tells_no_name_of_the_host_and_no_place_in_its_tree",
    ),
    "NetworkDisabled": _set(
        "NetworkDisabled", value=False, test=f"{_NETWORK}the_loopback_is_the_only_device"
    ),
    "Healthcheck": _set("Healthcheck", {}, f"{_UNIT}an_images_health_check_does_not_run"),
    "StdinOnce": _set(
        "StdinOnce", value=False, test=f"{_UNIT}a_closed_stdin_ends_the_cell_that_lost_its_worker"
    ),
    "CapDrop": _host("CapDrop", [], f"{_KERNEL}no_capability_is_left_in_any_set"),
    "no-new-privileges": _option(0, f"{_KERNEL}no_program_gives_rights"),
    "seccomp": _option(1, f"{_KERNEL}the_kernel_refuses"),
    "seccomp: sockets": _seccomp(_allow("socket"), "AF_VSOCK"),
    "seccomp: netlink": _seccomp(_open_family(16), test=f"{_UNCHARGED}[docker-answers of netlink]"),
    "seccomp: protocols": _seccomp(_open_family(2), "MPTCP"),
    "seccomp: protocols by IPv6": _seccomp(_open_family(10), "MPTCP by IPv6"),
    "seccomp: options": _seccomp(_open_level(1), "a socket filter"),
    "seccomp: options of IPv4": _seccomp(_open_level(0), "multicast"),
    "seccomp: options of IPv6": _seccomp(_open_level(41), "multicast by IPv6"),
    "seccomp: options of TCP": _seccomp(_open_level(6), "a protocol above TCP"),
    "seccomp: options of UDP": _seccomp(_open_level(17), "a cork"),
    "seccomp: corks": _seccomp(
        _allow("sendto", "sendmmsg"), test=f"{_KERNEL}the_kernel_refuses[docker-wait for more]"
    ),
    "seccomp: corks by message": _seccomp(_allow("sendmsg"), "wait for more, by message"),
    "seccomp: filters": _seccomp(_allow("prctl"), "a system call filter"),
    "seccomp: filters by seccomp": _seccomp(_allow("seccomp"), "seccomp"),
    "seccomp: huge pages": _seccomp(_allow("mmap"), "huge pages"),
    "seccomp: huge files": _seccomp(_allow("memfd_create"), "a huge file"),
    "seccomp: huge segments": _seccomp(_allow("shmget"), "a huge segment"),
    "seccomp: the core limit": _seccomp(
        _allow("prlimit64", "setrlimit"), test=f"{_KERNEL}no_job_lets_the_hosts_crash_handler_in"
    ),
    "seccomp: sync": _seccomp(
        _allow("sync", "syncfs"), test=f"{_DISK}a_sync_never_reaches_the_disks_of_the_host"
    ),
    "seccomp: namespaces": _seccomp(_allow("clone"), "clone users"),
    "seccomp: personality": _seccomp(_allow("personality"), "personality"),
    "seccomp: clone3": _seccomp(_allow("clone3"), "clone3"),
    "seccomp: ptrace": _seccomp(_allow("ptrace"), "trace me"),
    "seccomp: io_uring": _seccomp(_allow("io_uring_setup"), "io_uring_setup"),
    "seccomp: host-wide I/O": _seccomp(_allow("io_setup"), "io_setup"),
    "seccomp: secret memory": _seccomp(_allow("memfd_secret"), "memfd_secret"),
    "seccomp: 32-bit calls": _seccomp(_old_calls, "old system calls"),
    "MaskedPaths: the nonce": _unmask(
        "/proc/1/", test=f"{_DECEPTION}the_nonce_is_in_no_memory_that_a_job_can_read"
    ),
    "MaskedPaths: by its thread": _unmask(
        "/proc/1/task", test=f"{_FILES}nothing_can_be_read_from[docker-/proc/1/task/1/mem]"
    ),
    "MaskedPaths: the kernel": _unmask(
        *("kallsyms", "iomem", "kcore", "timer_list", "sched_debug"),
        test=f"{_FILES}nothing_can_be_read_from[docker-/proc/kallsyms]",
    ),
    "MaskedPaths: its set-up": _unmask(
        *("cmdline", "config.gz", "/sys/kernel", "/sys/module"),
        test=f"{_FILES}nothing_can_be_read_from[docker-/proc/cmdline]",
    ),
    "MaskedPaths: keys": _unmask(
        "/proc/key", test=f"{_FILES}nothing_can_be_read_from[docker-/proc/key-users]"
    ),
    "MaskedPaths: hardware": _unmask(
        *("acpi", "asound", "scsi", "firmware", "dmi"),
        test=f"{_FILES}nothing_can_be_read_from[docker-/sys/firmware]",
    ),
    "MaskedPaths: their disks": _unmask(
        *("diskstats", "vmstat", "zoneinfo", "buddyinfo", "pagetypeinfo", "pressure", "locks", "schedstat"),
        test=f"{_FILES}nothing_can_be_read_from[docker-/proc/diskstats]",
    ),
    "MaskedPaths: neighbours": _unmask(
        *("interrupts", "softirqs", "latency", "timer_stats", "powercap"),
        test=f"{_FILES}nothing_can_be_read_from[docker-/proc/interrupts]",
    ),
    "ReadonlyRootfs": _host(
        "ReadonlyRootfs",
        value=False,
        test=f"{_FILES}the_root_is_mounted_for_reading_alone",
    ),
    "Tmpfs size": _tmpfs(
        "/workspace",
        "size=",
        "rw",
        f"{_DISK}a_full_place_gives_enospc_and_nothing_beyond_its_size",
    ),
    "Tmpfs inodes": _tmpfs("/tmp", "nr_inodes=", "rw", f"{_DISK}inodes_run_out"),
    "Tmpfs exec": _tmpfs("/tmp", "noexec", "exec", f"{_FILES}programs_start_from_nowhere_but_the_workspace"),
    "Tmpfs setuid": _tmpfs(
        "/workspace",
        "nosuid",
        "suid",
        f"{_FILES}no_place_takes_setuid_programs_or_devices",
    ),
    "Tmpfs devices": _tmpfs("/tmp", "nodev", "dev", f"{_FILES}no_place_takes_setuid_programs_or_devices"),
    "Tmpfs mode": _tmpfs(
        "/workspace", "mode=", "mode=0755", f"{_UNIT}both_places_to_write_have_size_inodes_mode_and_owner"
    ),
    "Tmpfs owner": _tmpfs(
        "/workspace",
        "uid=",
        "uid=0",
        f"{_FILES}a_job_can_write_to_its_own_places_and_no_other",
    ),
    "ShmSize": _host("ShmSize", 64 << 20, f"{_DISK}a_full_place_gives_enospc_and_nothing_beyond_its_size"),
    "IpcMode": Mutant(
        ("IpcMode",),
        # The engine refuses sysctls in the host's own namespace.
        lambda body: body["HostConfig"].update(IpcMode="host", Sysctls={}),
        f"{_NETWORK}the_namespace_of_shared_memory_is_not_the_hosts",
    ),
    "CgroupnsMode": _host(
        "CgroupnsMode",
        "host",
        f"{_FILES}the_cell_tells_no_name_of_the_host_and_no_place_in_its_tree",
    ),
    "Memory": Mutant(
        ("Memory",),
        lambda body: body["HostConfig"].update(Memory=1 << 30, MemorySwap=1 << 30),
        f"{_MEMORY}too_much_memory_is_out_of_memory[docker-one block]",
    ),
    "MemorySwap": _host("MemorySwap", 2 << 30, f"{_MEMORY}there_is_no_swap_to_flee_to"),
    "KernelMemoryTCP": _host("KernelMemoryTCP", 0, f"{_UNIT}each_line_of_hardening_is_there"),
    "Sysctls": _host("Sysctls", {}, f"{_MEMORY}what_older_kernels_do_not_count_is_bounded"),
    "OomScoreAdj": _host("OomScoreAdj", 0, f"{_MEMORY}a_job_is_the_kernels_choice_before_the_worker"),
    "PidsLimit": _host("PidsLimit", 200, f"{_PROCESSES}there_are_never_more_than_were_asked_for"),
    "CpuQuota": Mutant(
        ("CpuPeriod", "CpuQuota"),
        lambda body: body["HostConfig"].update(CpuQuota=200_000),
        f"{_MEMORY}spinning_ends_at_the_deadline_and_within_its_cores",
    ),
    "LogConfig": _host(
        "LogConfig",
        {"Type": "json-file", "Config": {}},
        f"{_OUTPUT}the_engine_writes_no_log_of_what_a_job_says",
    ),
    "RestartPolicy": _host("RestartPolicy", {"Name": "always"}, f"{_UNIT}each_line_of_hardening_is_there"),
    "ulimit core": _ulimit("core", -1, f"{_DISK}a_crash_leaves_no_core"),
    "ulimit core of none": _ulimit("core", 0, f"{_KERNEL}no_job_lets_the_hosts_crash_handler_in"),
    "ulimit nofile": _ulimit("nofile", 2048, f"{_DISK}descriptors_run_out_at_their_limit"),
    "ulimit fsize": _ulimit("fsize", -1, f"{_DISK}no_file_is_larger_than_the_disk"),
    "ulimit memlock": _ulimit("memlock", -1, f"{_UNIT}ulimits_bound_each_process"),
    "ulimit msgqueue": _ulimit("msgqueue", 819_200, f"{_DISK}posix_message_queues_are_none"),
    "ulimit cpu": _ulimit("cpu", -1, f"{_MEMORY}processor_time_ends_even_when_nobody_keeps_the_deadline"),
}
