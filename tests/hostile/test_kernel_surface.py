"""System calls that no job needs, each really made, by a C program that the sandbox itself compiled."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from sandbox import Status

if TYPE_CHECKING:
    from sandbox import Sandbox
    from tests.hostile.conftest import Python

pytestmark = pytest.mark.engine

#: What the call is, by how it is written in C.
FORBIDDEN = {
    "unshare users": "unshare(CLONE_NEWUSER)",
    "unshare mounts": "unshare(CLONE_NEWNS)",
    "unshare network": "unshare(CLONE_NEWNET)",
    "unshare processes": "unshare(CLONE_NEWPID)",
    "unshare cgroups": "unshare(0x02000000)",
    "unshare time": "unshare(0x80)",
    "clone users": "syscall(SYS_clone, CLONE_NEWUSER | SIGCHLD, 0, 0, 0, 0)",
    "clone network": "syscall(SYS_clone, CLONE_NEWNET | SIGCHLD, 0, 0, 0, 0)",
    "clone3": "syscall(SYS_clone3, clone3_new_user, sizeof clone3_new_user)",
    "setns": 'setns(open("/proc/1/ns/net", O_RDONLY), 0)',
    "mount tmpfs": 'mount("x", "/tmp", "tmpfs", 0, "")',
    "mount proc": 'mount("x", "/tmp", "proc", 0, "")',
    "mount cgroup": 'mount("x", "/tmp", "cgroup", 0, "memory")',
    "bind": 'mount("/proc", "/tmp", 0, MS_BIND | MS_REC, 0)',
    "remount writable": 'mount(0, "/", 0, MS_REMOUNT, 0)',
    "unmount a mask": 'umount2("/proc/1/mem", MNT_DETACH)',
    "fsopen": 'syscall(SYS_fsopen, "tmpfs", 0)',
    "open_tree": 'syscall(SYS_open_tree, AT_FDCWD, "/", 1)',
    "mount_setattr": 'syscall(SYS_mount_setattr, AT_FDCWD, "/", 0, zeros, 32)',
    "pivot_root": 'syscall(SYS_pivot_root, "/tmp", "/tmp")',
    "chroot": 'chroot("/tmp")',
    "trace me": "ptrace(PTRACE_TRACEME, 0, 0, 0)",
    "trace the supervisor": "ptrace(PTRACE_SEIZE, 1, 0, 0)",
    "read its memory": "process_vm_readv(1, &vector, 1, &vector, 1, 0)",
    "write its memory": "process_vm_writev(1, &vector, 1, &vector, 1, 0)",
    "advise its memory": "syscall(SYS_process_madvise, pidfd(1), &vector, 1, 4, 0)",
    "take its descriptors": "syscall(SYS_pidfd_getfd, pidfd(1), 3, 0)",
    "compare with it": "syscall(SYS_kcmp, 1, getpid(), 0, 0, 0)",
    "bpf": "syscall(SYS_bpf, 0, zeros, 64)",
    "perf_event_open": "syscall(SYS_perf_event_open, zeros, 0, -1, -1, 0)",
    "io_uring_setup": "syscall(SYS_io_uring_setup, 4, zeros)",
    "io_uring_register": "syscall(SYS_io_uring_register, -1, 0, zeros, 0)",
    "io_setup": "syscall(SYS_io_setup, 65536, zeros)",
    "add_key": 'syscall(SYS_add_key, "user", "hostile", "x", 1, -2)',
    "request_key": 'syscall(SYS_request_key, "user", "hostile", 0, 0)',
    "keyctl": "syscall(SYS_keyctl, 0, -3, 0)",
    "userfaultfd": "syscall(SYS_userfaultfd, 1)",
    "memfd_secret": "syscall(447, 0)",
    "kexec_file_load": 'syscall(SYS_kexec_file_load, -1, -1, 0, "", 0)',
    "init_module": 'syscall(SYS_init_module, zeros, 0, "")',
    "finit_module": 'syscall(SYS_finit_module, 0, "", 0)',
    "delete_module": 'syscall(SYS_delete_module, "x", 0)',
    "clock_settime": "clock_settime(CLOCK_REALTIME, &now)",
    "settimeofday": "syscall(SYS_settimeofday, &now, 0)",
    "clock_adjtime": "syscall(SYS_clock_adjtime, 0, zeros)",
    "adjtimex": "syscall(SYS_adjtimex, zeros)",
    "reboot": "syscall(SYS_reboot, 0xfee1dead, 672274793, 0x89abcdef, 0)",
    "syslog": "syscall(SYS_syslog, 3, zeros, sizeof zeros)",
    "name_to_handle_at": 'syscall(SYS_name_to_handle_at, AT_FDCWD, "/", zeros, zeros + 256, 0)',
    "open_by_handle_at": "syscall(SYS_open_by_handle_at, 0, zeros, 0)",
    "swapon": 'syscall(SYS_swapon, "/workspace/x", 0)',
    "swapoff": 'syscall(SYS_swapoff, "/x")',
    "acct": 'syscall(SYS_acct, "/workspace/x")',
    "quotactl": 'syscall(SYS_quotactl, 0, "/", 0, 0)',
    "sethostname": 'syscall(SYS_sethostname, "x", 1)',
    "setdomainname": 'syscall(SYS_setdomainname, "x", 1)',
    "fanotify_init": "syscall(SYS_fanotify_init, 0, 0)",
    "vhangup": "syscall(SYS_vhangup)",
    "move_pages": "syscall(SYS_move_pages, 1, 0, 0, 0, 0, 0)",
    "migrate_pages": "syscall(SYS_migrate_pages, 1, 0, 0, 0)",
    "mbind": "syscall(SYS_mbind, 0, 0, 0, 0, 0, 0)",
    "lookup_dcookie": "syscall(SYS_lookup_dcookie, 0, zeros, 64)",
    "personality": "personality(ADDR_NO_RANDOMIZE)",
    "personality of old": "personality(READ_IMPLIES_EXEC)",
    "an unknown call": "syscall(1000)",
    "AF_VSOCK": "socket(40, SOCK_STREAM, 0)",
    "AF_ALG": "socket(38, SOCK_SEQPACKET, 0)",
    "AF_PACKET": "socket(AF_PACKET, SOCK_RAW, 0)",
    "AF_KEY": "socket(AF_KEY, SOCK_RAW, 2)",
    "AF_XDP": "socket(44, SOCK_RAW, 0)",
    "AF_CAN": "socket(29, SOCK_RAW, 1)",
    "AF_BLUETOOTH": "socket(31, SOCK_RAW, 1)",
    "AF_TIPC": "socket(30, SOCK_STREAM, 0)",
    "AF_RDS": "socket(21, SOCK_SEQPACKET, 0)",
    "netfilter": "socket(AF_NETLINK, SOCK_RAW, 12)",
    "audit": "socket(AF_NETLINK, SOCK_RAW, 9)",
    "uevents": "socket(AF_NETLINK, SOCK_RAW, 15)",
    "generic netlink": "socket(AF_NETLINK, SOCK_RAW, 16)",
    "raw IPv4": "socket(AF_INET, SOCK_RAW, IPPROTO_ICMP)",
    "raw IPv6": "socket(AF_INET6, SOCK_RAW, IPPROTO_ICMPV6)",
    "setuid": "setuid(0)",
    "setgid": "setgid(0)",
    "setgroups": "setgroups(1, (gid_t[]){0})",
    "raise capabilities": "syscall(SYS_capset, capability_header, all_capabilities)",
    "old system calls": "thirty_two_bit_call()",
}

PROGRAM = """
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <netinet/in.h>
#include <sys/mount.h>
#include <sys/personality.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>

static char zeros[4096];
static unsigned long long clone3_new_user[11] = {CLONE_NEWUSER, [4] = SIGCHLD};
static unsigned capability_header[2] = {0x20080522, 0}, all_capabilities[6] = {-1u, -1u, 0, -1u, -1u, 0};
static struct iovec vector = {zeros, 8};
static struct timespec now;

static int pidfd(int pid) { return syscall(SYS_pidfd_open, pid, 0); }

static long thirty_two_bit_call(void) {
#ifdef __x86_64__
    long answer;
    __asm__ volatile("int $0x80" : "=a"(answer) : "a"(20) : "memory");
    return answer;
#else
    errno = ENOSYS;
    return -1;
#endif
}

#define TRY(name, call) do { \\
    int status; \\
    fflush(stdout); \\
    if (fork() == 0) { \\
        errno = 0; \\
        puts((call) < 0 ? strerrorname_np(errno) : "allowed"); \\
        _exit(fflush(stdout)); \\
    } \\
    wait(&status); \\
    puts(WIFSIGNALED(status) ? sigabbrev_np(WTERMSIG(status)) : ""); \\
    printf("= %s\\n", name); \\
} while (0)

int main(void) {
    clock_gettime(CLOCK_REALTIME, &now);
    CALLS
    return 0;
}
"""


@pytest.fixture(scope="module")
def answers(sandbox: Sandbox) -> dict[str, str]:
    """What the kernel answered to each forbidden call."""
    calls = "\n".join(f'TRY("{name}", {call});' for name, call in FORBIDDEN.items())
    result = sandbox.run(None, files={"main.c": PROGRAM.replace("CALLS", calls)}, timeout=20)
    assert result.status is Status.SUCCEEDED, result.stderr
    parts = result.stdout.split("= ")
    names = [part.split("\n")[0] for part in parts[1:]]
    said = [parts[0], *(part.partition("\n")[2] for part in parts[1:])]
    return {name: " ".join(text.split()) for name, text in zip(names, said, strict=False)}


@pytest.mark.parametrize("call", FORBIDDEN)
def test_the_kernel_refuses(answers: dict[str, str], call: str) -> None:
    assert answers[call] in {"EPERM", "ENOSYS", "SYS"}


@pytest.mark.parametrize("call", ["clone3", "an unknown call"])
def test_a_program_that_can_do_without_is_told_that_there_is_none(answers: dict[str, str], call: str) -> None:
    assert answers[call] == "ENOSYS"


def test_programs_for_32_bits_are_killed_at_their_first_call(answers: dict[str, str]) -> None:
    assert answers["old system calls"] in {"SYS", "ENOSYS"}


def test_no_program_gives_rights(sandbox: Sandbox) -> None:
    result = sandbox.run("id -u; id -g; grep NoNewPrivs /proc/self/status", "python")
    assert result.stdout.split() == ["65534", "65534", "NoNewPrivs:", "1"]


def test_no_capability_is_left_in_any_set(sandbox: Sandbox) -> None:
    result = sandbox.run("grep ^Cap /proc/self/status /proc/1/status | cut -f2 | sort -u")
    assert result.stdout == f"{0:016}\n"


def test_the_filter_can_t_be_taken_off(python: Python) -> None:
    source = "import ctypes; print(ctypes.CDLL(None).prctl(22, 0)); print(open('/proc/self/status').read())"
    assert "Seccomp:\t2" in python(source).stdout


@pytest.mark.parametrize(
    "use",
    [
        pytest.param("import threading; threading.Thread(target=print).start()", id="threads"),
        pytest.param(
            "import multiprocessing as m; p = m.Pool(2); p.map(abs, [1]); p.close()", id="processes"
        ),
        pytest.param("import asyncio; asyncio.run(asyncio.sleep(0))", id="event loops"),
        pytest.param("import socket; socket.if_nameindex()", id="network devices"),
        pytest.param("import pty; pty.openpty()", id="terminals"),
        pytest.param("import os; os.memfd_create('x')", id="files in memory"),
    ],
)
def test_what_honest_programs_need_is_allowed(python: Python, use: str) -> None:
    result = python(use)
    assert (result.status, result.stderr) == (Status.SUCCEEDED, "")
