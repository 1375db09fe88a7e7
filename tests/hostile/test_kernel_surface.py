"""System calls that no job needs. A C program, compiled in the sandbox, really makes each of them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from sandbox import Status

if TYPE_CHECKING:
    from sandbox import Sandbox
    from tests.hostile.conftest import Python

pytestmark = [pytest.mark.engine, pytest.mark.every_engine]

#: The name of each call, and how it is written in C.
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
    "routes": "socket(AF_NETLINK, SOCK_RAW, 0)",
    "routes by datagrams": "socket(AF_NETLINK, SOCK_DGRAM | SOCK_CLOEXEC, 0)",
    "netfilter": "socket(AF_NETLINK, SOCK_RAW, 12)",
    "audit": "socket(AF_NETLINK, SOCK_RAW, 9)",
    "uevents": "socket(AF_NETLINK, SOCK_RAW, 15)",
    "generic netlink": "socket(AF_NETLINK, SOCK_RAW, 16)",
    "MPTCP": "socket(AF_INET, SOCK_STREAM, 262)",
    "MPTCP by IPv6": "socket(AF_INET6, SOCK_STREAM | SOCK_NONBLOCK, 262)",
    "UDPLITE": "socket(AF_INET, SOCK_DGRAM, 136)",
    "SCTP": "socket(AF_INET, SOCK_STREAM, 132)",
    "SCTP by packets": "socket(AF_INET6, SOCK_SEQPACKET, 132)",
    "DCCP": "socket(AF_INET, 6, 33)",
    "L2TP": "socket(AF_INET, SOCK_DGRAM, 115)",
    "SMC": "socket(AF_INET, SOCK_STREAM, 256)",
    "ping": "socket(AF_INET, SOCK_DGRAM, IPPROTO_ICMP)",
    "ping by IPv6": "socket(AF_INET6, SOCK_DGRAM, IPPROTO_ICMPV6)",
    "a netlink pair": "socketpair(AF_NETLINK, SOCK_RAW, 0, pair)",
    "raw IPv4": "socket(AF_INET, SOCK_RAW, IPPROTO_ICMP)",
    "raw IPv6": "socket(AF_INET6, SOCK_RAW, IPPROTO_ICMPV6)",
    "setuid": "setuid(0)",
    "setgid": "setgid(0)",
    "setgroups": "setgroups(1, (gid_t[]){0})",
    "raise capabilities": "syscall(SYS_capset, capability_header, all_capabilities)",
    "old system calls": "thirty_two_bit_call()",
    "x32": "syscall(0x40000000 + SYS_getpid)",
    "a socket filter": "setsockopt(udp(), SOL_SOCKET, SO_ATTACH_FILTER, &filter, sizeof filter)",
    "a filter of a pair": "setsockopt(unix_socket(), SOL_SOCKET, SO_ATTACH_FILTER, &filter, sizeof filter)",
    "a filter by the upper half": "syscall(SYS_setsockopt, udp(), 1L << 32 | 1, 1L << 32 | 26, &filter, 16)",
    "a BPF program": "setsockopt(udp(), SOL_SOCKET, SO_ATTACH_BPF, &one, sizeof one)",
    "a filter of a group": "setsockopt(udp(), SOL_SOCKET, SO_ATTACH_REUSEPORT_CBPF, &filter, sizeof filter)",
    "a program of a group": "setsockopt(udp(), SOL_SOCKET, SO_ATTACH_REUSEPORT_EBPF, &one, sizeof one)",
    "buffers by force": "setsockopt(udp(), SOL_SOCKET, SO_RCVBUFFORCE, &one, sizeof one)",
    "another device": 'setsockopt(udp(), SOL_SOCKET, SO_BINDTODEVICE, "lo", 2)',
    "no route": "setsockopt(udp(), SOL_SOCKET, SO_DONTROUTE, &one, sizeof one)",
    "a queue of errors": "setsockopt(udp(), IPPROTO_IP, IP_RECVERR, &one, sizeof one)",
    "a cork": "setsockopt(udp(), IPPROTO_UDP, 1, &one, sizeof one)",
    "multicast": "setsockopt(udp(), IPPROTO_IP, IP_ADD_MEMBERSHIP, &group, sizeof group)",
    "a list of sources": "setsockopt(udp(), IPPROTO_IP, IP_MSFILTER, zeros, 16)",
    "multicast by IPv6": "setsockopt(udp(), IPPROTO_IPV6, IPV6_ADD_MEMBERSHIP, zeros, 20)",
    "flow labels": "setsockopt(udp(), IPPROTO_IPV6, 32, zeros, 32)",
    "a protocol above TCP": 'setsockopt(tcp(), IPPROTO_TCP, TCP_ULP, "tls", 4)',
    "a key of TCP": "setsockopt(tcp(), IPPROTO_TCP, TCP_MD5SIG, zeros, 216)",
    "a ring of packets": "setsockopt(udp(), 263, 5, zeros, 16)",
    "wait for more": "sendto(udp(), zeros, 9, MSG_MORE, (void *) &nobody, sizeof nobody)",
    "wait for more, by message": "sendmsg(udp(), &message, MSG_MORE)",
    "wait for more, by messages": "sendmmsg(udp(), &messages, 1, MSG_MORE)",
    "a system call filter": "prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) + prctl(PR_SET_SECCOMP, 2, &filter)",
    "a filter by the upper half of prctl": "syscall(SYS_prctl, 1L << 32 | PR_SET_SECCOMP, 2, &filter, 0, 0)",
    "seccomp": "syscall(SYS_seccomp, 1, 0, &filter)",
    "cores of its own": "prctl(62, 1, 0, 0, 0)",
    "names of memory": 'prctl(0x53564d41, 0, zeros, 4096, "x")',
    "huge pages": "(long) mmap(0, 1 << 21, 1, 0x22 | MAP_HUGETLB, -1, 0)",
    "huge pages by gigabyte": "(long) mmap(0, 1 << 30, 1, 0x22 | MAP_HUGETLB | 30 << 26, -1, 0)",
    "a huge file": 'memfd_create("x", 4)',
    # The size is 0: without the rule, the kernel would answer with an error about it.
    "a huge segment": "shmget(IPC_PRIVATE, 0, 04000 | 0600)",
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
#include <linux/filter.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/shm.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>

static char zeros[4096];
static unsigned long long clone3_new_user[11] = {CLONE_NEWUSER, [4] = SIGCHLD};
static unsigned capability_header[2] = {0x20080522, 0}, all_capabilities[6] = {-1u, -1u, 0, -1u, -1u, 0};
static struct iovec vector = {zeros, 8};
static struct timespec now;
static struct sock_filter accept_all = {BPF_RET | BPF_K, 0, 0, 0x7fff0000};
static struct sock_fprog filter = {1, &accept_all};
static struct sockaddr_in nobody = {AF_INET, 0x0900, {0x0100007f}};
static struct ip_mreqn group = {{0x010000e0}, {0x0100007f}, 1};
static struct msghdr message = {&nobody, sizeof nobody, &vector, 1};
static struct mmsghdr messages = {{&nobody, sizeof nobody, &vector, 1}};
static int one = 1, pair[2];

static int udp(void) { return socket(AF_INET, SOCK_DGRAM, 0); }
static int tcp(void) { return socket(AF_INET, SOCK_STREAM, 0); }
static int unix_socket(void) { return socket(AF_UNIX, SOCK_DGRAM, 0); }
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
    """Gives the kernel's answer to each forbidden call."""
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


def test_the_c_library_is_told_that_there_is_no_clone3(
    answers: dict[str, str],
) -> None:
    assert answers["clone3"] == "ENOSYS"


def test_a_call_that_is_newer_than_the_engine_is_told_to_be_none_and_by_crun_to_be_forbidden(
    answers: dict[str, str], sandbox: Sandbox
) -> None:
    by_crun = sandbox.settings.engine_name == "oci" and sandbox.settings.oci_runtime == "crun"
    assert answers["an unknown call"] == ("EPERM" if by_crun else "ENOSYS")


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
        pytest.param("import socket; assert socket.if_nametoindex('lo') == 1", id="the network device"),
        pytest.param("import pty; pty.openpty()", id="terminals"),
        pytest.param("import os; os.memfd_create('x')", id="files in memory"),
        pytest.param("import os; os.sync()", id="sync"),
        pytest.param("import mmap; mmap.mmap(-1, 4096)", id="shared memory"),
    ],
)
def test_what_honest_programs_need_is_allowed(python: Python, use: str) -> None:
    result = python(use)
    assert (result.status, result.stderr) == (Status.SUCCEEDED, "")


SWEEP = """
import ctypes, json
libc = ctypes.CDLL(None, use_errno=True)
def passes(call, *arguments):
    ctypes.set_errno(0)
    return libc[call](*arguments) >= 0 or ctypes.get_errno() != 1
sockets = [(family, kind, protocol) for family in range(64) for kind in (1, 2, 3, 4, 5, 6, 10)
           for protocol in range(300) if passes('socket', family, kind, protocol)]
options = [(level, name) for level in range(300) for name in range(160)
           if passes('setsockopt', -1, level, name, 0, 0)]
families = sorted({(family,) for family, _, _ in sockets})
print(json.dumps({"sockets": [s for s in sockets if s[0] != 1], "families": families, "options": options}))
"""
SOCKETS = {(family, *kind) for family in (2, 10) for kind in ((1, 0), (1, 6), (2, 0), (2, 17))}
OPTIONS = {
    *((1, name) for name in (2, 3, *range(6, 22))),
    *((0, name) for name in (0, 1, 2, 3, 8, 9, 10, 12, 13, 14, 15, 24, 32, 33, 34, 49)),
    *((6, name) for name in (*range(14), 18, 25)),
    *((41, name) for name in (16, 17, 18, 19, 23, 26, 29, 49, 50, 51, 62, 66, 67)),
}


@pytest.fixture(scope="module")
def sweep(python: Python) -> dict[str, list[list[int]]]:
    """Gives the socket families, types, protocols and options that the system call filter allows."""
    found: dict[str, list[list[int]]] = json.loads(python(SWEEP, timeout=60).stdout)
    return found


def test_there_are_no_sockets_but_of_unix_tcp_and_udp(sweep: dict[str, list[list[int]]]) -> None:
    assert {family for (family,) in sweep["families"]} == {1, 2, 10}
    assert {tuple(one) for one in sweep["sockets"]} == SOCKETS


def test_no_socket_takes_an_option_that_is_not_listed(sweep: dict[str, list[list[int]]]) -> None:
    assert {tuple(option) for option in sweep["options"]} == OPTIONS


@pytest.mark.parametrize("change", ["ulimit -c 0", "ulimit -c unlimited", "(ulimit -S -c 0)"])
def test_no_job_lets_the_hosts_crash_handler_in(sandbox: Sandbox, change: str) -> None:
    result = sandbox.run(f"{change}; grep core /proc/self/limits")
    assert result.stdout.split()[4:6] == ["1", "1"]


def test_no_upper_half_of_an_argument_sets_the_core_limit(python: Python) -> None:
    source = (
        "import ctypes; c = ctypes.CDLL(None); c.syscall(302, 0, ctypes.c_long(1 << 32 | 4), bytes(16), 0)"
    )
    assert "core file size        1  " in python(source + "; print(open('/proc/self/limits').read())").stdout


def test_other_limits_can_still_be_lowered(sandbox: Sandbox) -> None:
    result = sandbox.run("ulimit -t 3; ulimit -f 8; ulimit -s 512; ulimit -n 64; ulimit -tfsn", "python")
    assert (result.status, result.stderr) == (Status.SUCCEEDED, "")
