"""Memory that the kernel holds for a job, and whether the job's limit counts it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.hostile.uncharged import holding
from tests.waiting import PATIENCE

if TYPE_CHECKING:
    from sandbox import Sandbox

# Two of these tests at a time would measure each other's memory.
pytestmark = [pytest.mark.engine, pytest.mark.every_engine, pytest.mark.alone]

LIMIT = 64 << 20
#: Small uses of memory that are not tested one by one may add up to this.
BEYOND = 64 << 20

#: C code that makes one more object and fills it. It gives 0 when no more can be had.
POOLS = {
    "answers of netlink": """
        int s = socket(AF_NETLINK, SOCK_RAW, 0);
        struct { struct nlmsghdr head; struct ifinfomsg body; } ask =
            {{sizeof ask, RTM_GETLINK, NLM_F_REQUEST, 0, 0}, {.ifi_index = 1}};
        enlarge(s);
        for (int i = 0; i < 400; i++) send(s, &ask, sizeof ask, MSG_DONTWAIT);
        return s >= 0;
    """,
    "datagrams of UDP": """
        int s = loopback(SOCK_DGRAM, &address);
        enlarge(s);
        connect(s, (void *) &address, sizeof address);
        while (send(s, bytes, 60000, MSG_DONTWAIT) > 0 && s >= 0 && ++sent % 50);
        return s >= 0;
    """,
    "streams of TCP": """
        int server = loopback(SOCK_STREAM, &address), s = socket(AF_INET, SOCK_STREAM, 0);
        listen(server, 1);
        connect(s, (void *) &address, sizeof address);
        int served = accept(server, 0, 0);
        close(server);
        while (send(s, bytes, 60000, MSG_DONTWAIT) > 0);
        return served >= 0;
    """,
    "datagrams that wait for more": """
        int s = loopback(SOCK_DGRAM, &address);
        connect(s, (void *) &address, sizeof address);
        return send(s, bytes, 60000, MSG_MORE) > 0;
    """,
    "socket filters": """
        int s = socket(AF_UNIX, SOCK_DGRAM, 0);
        return setsockopt(s, SOL_SOCKET, SO_ATTACH_FILTER, &filter, sizeof filter) == 0;
    """,
    "system call filters": """
        prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
        return prctl(PR_SET_SECCOMP, 2, &filter) == 0;
    """,
    "groups of multicast": """
        static int s, n;
        struct ipv6_mreq group = {.ipv6mr_interface = 1};
        if (n % 1000 == 0) s = socket(AF_INET6, SOCK_DGRAM, 0);
        memcpy(&group.ipv6mr_multiaddr, (unsigned char[]) {0xff, 2}, 2);
        memcpy((char *) &group.ipv6mr_multiaddr + 8, (int[]) {getpid(), n++}, 8);
        return setsockopt(s, IPPROTO_IPV6, IPV6_ADD_MEMBERSHIP, &group, sizeof group) == 0;
    """,
    "sockets of a family": """
        int pair[2];
        if (socketpair(AF_UNIX, SOCK_DGRAM, 0, pair) < 0) return 0;
        while (send(pair[0], bytes, 60000, MSG_DONTWAIT) > 0);
        return 1;
    """,
    "pipes": """
        int ends[2];
        if (pipe2(ends, O_NONBLOCK) < 0) return 0;
        while (write(ends[1], bytes, sizeof bytes) > 0);
        return 1;
    """,
    "messages": """
        struct { long kind; char text[8000]; } message = {1};
        int queue = msgget(IPC_PRIVATE, 0600);
        return msgsnd(queue, &message, 8000, IPC_NOWAIT) + msgsnd(queue, &message, 8000, IPC_NOWAIT) == 0;
    """,
    "semaphores": "return semget(IPC_PRIVATE, 250, 0600) >= 0;",
    "timers": """
        timer_t timer;
        struct sigevent event = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGUSR1};
        return timer_create(CLOCK_MONOTONIC, &event, &timer) == 0;
    """,
    "files of timers": "return timerfd_create(CLOCK_MONOTONIC, 0) >= 0;",
    "connections that have ended": """
        static int server, n;
        if (n++ == 0) { server = loopback(SOCK_STREAM, &address); listen(server, 8); }
        int s = socket(AF_INET, SOCK_STREAM, 0), failed = connect(s, (void *) &address, sizeof address);
        close(s);
        close(accept(server, 0, 0));
        return !failed && n < 5000;
    """,
    "maps": """
        char *place = mmap(0, 4 * 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        return place != MAP_FAILED && mprotect(place, 4096, PROT_NONE) == 0;
    """,
}

PROGRAM = """
#define _GNU_SOURCE
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <linux/filter.h>
#include <linux/rtnetlink.h>
#include <netinet/in.h>
#include <sys/mman.h>
#include <sys/msg.h>
#include <sys/prctl.h>
#include <sys/sem.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <sys/wait.h>

enum { PROCESSES = 4, AT_MOST = 20000, HOLD_S = 1 };
static char bytes[65536];
static struct sock_filter code[4096];
static struct sock_fprog filter = {4096, code};
static struct sockaddr_in address;
static long sent;

static void enlarge(int s) {
    int size = 1 << 24;
    setsockopt(s, SOL_SOCKET, SO_RCVBUF, &size, sizeof size);
}

static int loopback(int kind, struct sockaddr_in *at) {
    int s = socket(AF_INET, kind, 0);
    socklen_t size = sizeof *at;
    *at = (struct sockaddr_in) {AF_INET, 0, {htonl(INADDR_LOOPBACK)}};
    bind(s, (void *) at, size);
    getsockname(s, (void *) at, &size);
    return s;
}

FUNCTIONS

static int (*const pools[])(void) = {NAMES};

int main(int _, char **arguments) {
    int (*fill)(void) = pools[atoi(arguments[1])];
    for (int i = 0; i < 4095; i++) code[i] = (struct sock_filter) {BPF_ALU | BPF_MOD | BPF_K, 0, 0, 7};
    code[4095] = (struct sock_filter) {BPF_RET | BPF_K, 0, 0, 0x7fff0000};
    for (int i = 0; i < PROCESSES; i++)
        if (fork() == 0) {
            for (int n = 0; n < AT_MOST && fill(); n++);
            sleep(HOLD_S);
            _exit(0);
        }
    while (wait(0) > 0);
}
"""


@pytest.fixture(scope="module")
def filler(sandbox: Sandbox) -> dict[str, str]:
    """Gives the compiled program. Its argument is the number of a pool."""
    functions = (f"static int fill_{number}(void) {{{pool}}}" for number, pool in enumerate(POOLS.values()))
    names = ", ".join(f"fill_{number}" for number in range(len(POOLS)))
    source = PROGRAM.replace("FUNCTIONS", "\n".join(functions)).replace("NAMES", names)
    made = sandbox.run("gcc -O2 -o filler main.c", "cpp", files={"main.c": source}, artifacts=["filler"])
    return {"base64": made.artifacts["filler"].base64}


@pytest.mark.parametrize("pool", POOLS)
def test_a_job_holds_no_more_than_its_limit_by_way_of(
    sandbox: Sandbox, filler: dict[str, str], pool: str
) -> None:
    argv = ["./filler", str(list(POOLS).index(pool))]
    with holding() as held:
        result = sandbox.run(
            argv, "cpp", files={"filler": filler}, memory=LIMIT, pids=32, timeout=10 * PATIENCE, grace=0
        )
        sandbox.settle()
    assert result.duration > 0.01
    assert held.most_bytes < LIMIT + BEYOND
