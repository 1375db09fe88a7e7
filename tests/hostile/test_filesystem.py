"""All places that a job might write, read or find by name, and what the next cell finds there."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from sandbox import Sandbox, Status
from tests.programs import ROOT
from tests.waiting import PATIENCE

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.hostile.conftest import Python

pytestmark = [pytest.mark.engine, pytest.mark.every_engine]

UNWRITABLE = (
    *("/", "/bin", "/etc", "/usr/bin", "/lib", "/var", "/var/tmp", "/root", "/home", "/run", "/opt", "/dev"),
    *("/dev/pts", "/sys", "/sys/kernel", "/sys/fs/cgroup", "/proc", "/proc/sys/kernel", "/proc/1"),
)
CONTROLS = (
    *("/proc/sys/kernel/core_pattern", "/proc/sys/kernel/hostname", "/proc/sys/kernel/modprobe"),
    *("/proc/sys/kernel/randomize_va_space", "/proc/sys/vm/overcommit_memory", "/proc/sys/vm/drop_caches"),
    *("/proc/sys/fs/file-max", "/proc/sys/fs/binfmt_misc/register", "/proc/sys/net/ipv4/ip_forward"),
    *("/proc/sysrq-trigger", "/proc/self/uid_map", "/proc/self/gid_map"),
    *("/proc/self/attr/current", "/proc/irq/default_smp_affinity", "/sys/kernel/uevent_helper"),
    *("/sys/fs/cgroup/memory/memory.limit_in_bytes", "/sys/fs/cgroup/pids/pids.max"),
    *("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/pids.max", "/sys/fs/cgroup/cgroup.procs"),
    *("/sys/fs/cgroup/memory/release_agent", "/sys/fs/cgroup/memory/notify_on_release"),
    *("/sys/fs/cgroup/cpu/cpu.cfs_quota_us", "/sys/fs/cgroup/devices/devices.allow", "/etc/passwd"),
    *("/etc/hosts", "/etc/resolv.conf", "/etc/hostname", "/dev/mem", "/dev/kmsg", "/dev/sda", "/dev/vda"),
)
HIDDEN = (
    *("/proc/1/mem", "/proc/1/task/1/mem", "/proc/kcore", "/proc/kallsyms", "/proc/iomem"),
    *("/proc/timer_list", "/proc/sched_debug", "/proc/cmdline", "/proc/config.gz", "/proc/keys"),
    *("/proc/key-users", "/proc/interrupts", "/proc/latency_stats", "/proc/timer_stats", "/proc/acpi"),
    *("/proc/asound", "/proc/scsi", "/sys/firmware", "/sys/kernel", "/sys/module"),
    *("/sys/devices/virtual/dmi", "/sys/devices/virtual/powercap", "/proc/softirqs", "/proc/schedstat"),
    *("/proc/diskstats", "/proc/vmstat", "/proc/zoneinfo", "/proc/buddyinfo", "/proc/pagetypeinfo"),
    *("/proc/pressure", "/proc/locks"),
)
ROUNDABOUT = (
    *("/proc/1/root/proc/1/mem", "/proc/1/cwd/proc/1/mem", "/proc/self/root/proc/1/mem"),
    *("/proc/self/task/../../1/mem", "/proc/1/task/../mem", "/proc/self/../1/task/1/mem"),
)
WRITE = """
import json, os, sys
def written(path):
    try:
        if os.path.isdir(path):
            open(path + '/hostile', 'w').close()
        else:
            with open(path, 'r+') as f: f.write('1')
    except OSError: return False
    return True
print(json.dumps({path: written(path) for path in sys.argv[1:]}))
"""
READ = """
import json, os, sys
mapped = int(open('/proc/1/maps').read().split('-')[0], 16)
def content(path):
    try:
        if os.path.isdir(path): return os.listdir(path)
        with open(path, 'rb', 0) as f:
            f.seek(mapped if path.endswith('/mem') else 0)
            return f.read(99).hex()
    except OSError: return ''
print(json.dumps({path: content(path) for path in sys.argv[1:]}))
"""
DESCRIPTORS = """
import os
links = {os.readlink(f'/proc/1/fd/{fd}').split(':')[0] for fd in os.listdir('/proc/1/fd')}
print(links <= {'pipe', '/dev/null'}, sorted(os.listdir('/proc/self/fd')))
"""


def asked(sandbox: Sandbox, source: str, paths: tuple[str, ...]) -> dict[str, Any]:
    result = sandbox.run(["python3", "-c", source, *paths], "python", timeout=20)
    answers: dict[str, Any] = json.loads(result.stdout)
    return answers


@pytest.fixture(scope="module")
def written(sandbox: Sandbox) -> dict[str, bool]:
    """Gives for each path whether a job could write to it."""
    return asked(sandbox, WRITE, (*UNWRITABLE, *CONTROLS))


@pytest.fixture(scope="module")
def seen(sandbox: Sandbox) -> dict[str, Any]:
    """Gives for each path what a job could read there."""
    return asked(sandbox, READ, (*HIDDEN, *ROUNDABOUT))


@pytest.mark.parametrize("folder", UNWRITABLE)
def test_nothing_can_be_made_in(written: dict[str, bool], folder: str) -> None:
    assert not written[folder]


@pytest.mark.parametrize("control", CONTROLS)
def test_nothing_can_be_changed_by(written: dict[str, bool], control: str) -> None:
    assert not written[control]


@pytest.mark.parametrize("path", [*HIDDEN, *ROUNDABOUT])
def test_nothing_can_be_read_from(seen: dict[str, Any], path: str) -> None:
    assert not seen[path]


def test_a_job_can_write_to_its_own_places_and_no_other(sandbox: Sandbox) -> None:
    find = "find / -path /proc -prune -o -type d -writable -print 2>/dev/null"
    found = set(sandbox.run(find, "python").stdout.split())
    assert found == {"/dev/shm", "/dev/mqueue", "/workspace", "/tmp"}


def test_the_root_is_mounted_for_reading_alone(sandbox: Sandbox) -> None:
    mounts = [line.split() for line in sandbox.run("cat /proc/self/mounts").stdout.splitlines()]
    assert [options.split(",")[0] for _, where, _, options, *_ in mounts if where == "/"] == ["ro"]


def test_the_cell_tells_no_name_of_the_host_and_no_place_in_its_tree(sandbox: Sandbox) -> None:
    result = sandbox.run("cat /proc/sys/kernel/hostname; cut -d: -f3 /proc/self/cgroup | sort -u")
    assert result.stdout == "cell\n/\n"


@pytest.mark.parametrize(
    ("kind", "number"), [("b", "8 0"), ("b", "254 0"), ("c", "1 1"), ("c", "10 200")], ids=str
)
def test_no_device_can_be_made(sandbox: Sandbox, kind: str, number: str) -> None:
    result = sandbox.run(f"mknod /workspace/device {kind} {number}", "python")
    assert "Operation not permitted" in result.stderr


def test_there_are_no_devices_but_the_harmless(sandbox: Sandbox) -> None:
    devices = set(sandbox.run("find /dev -type c -o -type b").stdout.split())
    harmless = {f"/dev/{name}" for name in ("full", "null", "random", "urandom", "zero", "tty", "pts/ptmx")}
    assert devices <= harmless


@pytest.mark.parametrize("place", ["/tmp", "/dev/shm", "/dev/mqueue"])
def test_programs_start_from_nowhere_but_the_workspace(sandbox: Sandbox, place: str) -> None:
    result = sandbox.run(f"cp /bin/sh {place}/tool && {place}/tool -c 'echo ran'", "python")
    assert result.exit_code != 0
    assert "ran" not in result.stdout


@pytest.mark.parametrize("place", ["/workspace", "/tmp", "/dev/shm"])
def test_no_place_takes_setuid_programs_or_devices(sandbox: Sandbox, place: str) -> None:
    mounts = sandbox.run("cat /proc/self/mounts").stdout.splitlines()
    (options,) = (line.split()[3].split(",") for line in mounts if line.split()[1] == place)
    assert {"nosuid", "nodev"} <= set(options)


@pytest.mark.parametrize("change", ["chown 0:0 own", "chgrp 0 own", "chmod 777 /etc/passwd"])
def test_no_file_changes_its_owner(sandbox: Sandbox, change: str) -> None:
    assert sandbox.run(f"touch own; {change}", "python").status is Status.FAILED


def test_files_for_root_alone_stay_closed(sandbox: Sandbox) -> None:
    assert "Permission denied" in sandbox.run("cat /etc/shadow /proc/kmsg /proc/slabinfo").stderr


def test_of_the_hosts_disk_nothing_is_mounted_but_the_image_and_the_names_that_the_engine_writes(
    sandbox: Sandbox,
) -> None:
    mounts = [line.split() for line in sandbox.run("cat /proc/self/mounts").stdout.splitlines()]
    on_disk = {where for what, where, *_ in mounts if what.startswith("/dev/")}
    assert on_disk <= {"/", "/etc/hostname", "/etc/hosts", "/etc/resolv.conf"}


@pytest.mark.parametrize(
    "path",
    [
        pytest.param("/var/run/docker.sock", id="the engine's socket"),
        pytest.param("/run/containerd", id="the socket of what is beneath it"),
        pytest.param("/var/lib/docker", id="its images"),
        pytest.param(str(ROOT), id="this repository"),
    ],
)
def test_the_hosts_paths_are_not_there(sandbox: Sandbox, path: str) -> None:
    assert sandbox.run(["test", "-e", path]).exit_code == 1


def test_the_supervisors_root_is_the_cells_own(sandbox: Sandbox) -> None:
    result = sandbox.run('test "$(ls -id /proc/1/root/ | cut -d/ -f1)" = "$(ls -id / | cut -d/ -f1)"')
    assert result.status is Status.SUCCEEDED


def test_no_open_file_leads_out(python: Python) -> None:
    assert python(DESCRIPTORS).stdout == "True ['0', '1', '2', '3']\n"


@pytest.mark.parametrize("program", ["/proc/1/exe", "/proc/self/exe", "/bin/sh"])
def test_no_running_program_can_be_overwritten(python: Python, program: str) -> None:
    result = python(f"open('{program}', 'r+b')")
    assert (result.status, "Error" in result.stderr) == (Status.FAILED, True)


def test_the_environment_of_the_supervisor_holds_no_secret(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CELLBLOCK_BROKER_URL", "redis://:hunter2@localhost/0")
    result = sandbox.run("cat /proc/1/environ /proc/1/cmdline")
    assert "PATH=" in result.stdout
    assert "hunter2" not in result.stdout


@pytest.fixture
def warm(sandbox: Sandbox) -> Iterator[Sandbox]:
    """Gives a sandbox with one warm cell at a time: the second job gets the cell made after the first."""
    with Sandbox(sandbox.settings.model_copy(update={"warm": "0,bash=1"})) as real:
        assert real.warm_up(60 * PATIENCE)
        yield real


@pytest.mark.parametrize(
    ("leave", "find"),
    [
        pytest.param(
            "touch /workspace/mark /tmp/mark /dev/shm/mark; mkfifo /tmp/pipe",
            "ls -A /workspace /tmp /dev/shm | grep -e mark -e pipe",
            id="files",
        ),
        pytest.param("setsid sleep 300 & echo", "ps | grep '[s]leep 300'", id="processes"),
        pytest.param("nc -l -p 7777 & sleep 0.1", "nc -z 127.0.0.1 7777 && echo there", id="servers"),
    ],
)
def test_nothing_survives_into_the_next_warm_cell(warm: Sandbox, leave: str, find: str) -> None:
    first = warm.run(leave)
    assert warm.warm_up(60 * PATIENCE)
    second = warm.run(find)
    assert (first.warm, second.warm, second.stdout) == (True, True, "")
