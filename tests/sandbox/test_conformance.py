"""The behaviour that all engines share. The same tests run in containers and on the host."""

from __future__ import annotations

import base64
import resource
import secrets
import signal
from typing import TYPE_CHECKING

import pytest

from sandbox import Status
from sandbox.result import Limit
from tests.programs import runs
from tests.waiting import PATIENCE, wait_until

if TYPE_CHECKING:
    import docker

    from sandbox import Sandbox

CONTRACT_KEYS = {
    *("status", "exit_code", "signal", "stdout", "stderr", "stdout_bytes", "stderr_bytes"),
    *(
        "limit",
        "stdout_truncated",
        "stderr_truncated",
        "duration",
        "cpu_seconds",
        "memory_peak",
        "timings",
        "runtime",
    ),
    *(
        "image",
        "image_id",
        "engine",
        "oci_runtime",
        "warm",
        "container",
        "worker",
        "attempt",
        "artifacts",
        "artifacts_skipped",
    ),
}


def test_exit_zero_has_succeeded(anywhere: Sandbox) -> None:
    result = anywhere.run("exit 0")
    assert (result.status, result.exit_code, result.signal) == (Status.SUCCEEDED, 0, None)


@pytest.mark.parametrize("code", [1, 7, 124, 128, 255])
def test_any_other_exit_has_failed_with_its_code(anywhere: Sandbox, code: int) -> None:
    result = anywhere.run(f"exit {code}")
    assert (result.status, result.exit_code, result.signal) == (Status.FAILED, code, None)


def test_the_streams_stay_apart(anywhere: Sandbox) -> None:
    result = anywhere.run("echo out; echo err >&2")
    assert (result.stdout, result.stderr) == ("out\n", "err\n")


def test_a_list_meets_no_shell(anywhere: Sandbox) -> None:
    assert anywhere.run(["echo", "$HOME", "a  b", "'"]).stdout == "$HOME a  b '\n"


def test_text_is_run_by_bash(anywhere: Sandbox) -> None:
    result = anywhere.run("words=(a b); [[ ${words[1]} == b ]] && cat <<< yes; echo {1..3}")
    assert (result.stdout, result.stderr) == ("yes\n1 2 3\n", "")


def test_a_script_is_run_by_bash_with_the_options_of_its_first_line(anywhere: Sandbox) -> None:
    script = "#!/bin/bash -e\nwords=(a b)\necho ${words[1]}\nfalse\necho never\n"
    result = anywhere.run(None, files={"main.sh": script})
    assert (result.exit_code, result.stdout) == (1, "b\n")


def test_what_is_not_found_is_said_without_the_supervisor(anywhere: Sandbox) -> None:
    assert anywhere.run(["no-such-program"]).stderr.splitlines()[-1].endswith("no-such-program: not found")


def test_stdin_is_given_to_its_last_byte(anywhere: Sandbox) -> None:
    data = bytes(range(256)) * 4096
    result = anywhere.run("cksum", stdin={"base64": base64.b64encode(data).decode()})
    assert result.stdout.split()[1] == str(len(data))


@pytest.mark.parametrize("stdin", [None, ""])
def test_with_no_stdin_there_is_eof_at_once(anywhere: Sandbox, stdin: str | None) -> None:
    result = anywhere.run("cat; echo end", stdin=stdin, timeout=5)
    assert (result.status, result.stdout) == (Status.SUCCEEDED, "end\n")


def test_stdin_that_nobody_reads_hinders_nothing(anywhere: Sandbox) -> None:
    assert anywhere.run("echo done", stdin="x" * 500_000).stdout == "done\n"


def test_env_is_added_as_it_stands(anywhere: Sandbox) -> None:
    value = "a b\n'\"$HOME `id` \\ é ="
    assert anywhere.run(["printenv", "ODD"], env={"ODD": value}).stdout == f"{value}\n"


def test_the_workers_environment_stays_with_it(anywhere: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BROKER_PASSWORD", "hunter2")
    assert "hunter2" not in anywhere.run("env").stdout


def test_files_are_there_before_the_command_starts(anywhere: Sandbox) -> None:
    files = {"a/b/c.txt": "deep ", "-n": "odd ", "sp ace": {"base64": "w6k="}}
    assert anywhere.run("cat a/b/c.txt ./-n 'sp ace'", files=files).stdout == "deep odd é"


def test_a_file_can_be_started_by_its_name(anywhere: Sandbox) -> None:
    assert anywhere.run(["./tool", "x"], files={"tool": "#!/bin/sh\necho ran $1\n"}).stdout == "ran x\n"


def test_artifacts_come_back_byte_for_byte(anywhere: Sandbox) -> None:
    result = anywhere.run(r"mkdir out; printf 'a\377' > out/a; echo no > b", artifacts=["out/*"])
    assert list(result.artifacts) == ["out/a"]
    assert base64.b64decode(result.artifacts["out/a"].base64) == b"a\xff"


def test_artifacts_of_a_failed_command_come_back_too(anywhere: Sandbox) -> None:
    result = anywhere.run("echo why > log; exit 3", artifacts=["log"])
    assert (result.exit_code, list(result.artifacts)) == (3, ["log"])


def test_a_symlink_brings_nothing_back_from_elsewhere(anywhere: Sandbox) -> None:
    result = anywhere.run("ln -s /etc/passwd trap; mkfifo pipe; echo x > good", artifacts=["*"])
    assert list(result.artifacts) == ["good"]
    assert {skipped.path for skipped in result.artifacts_skipped} == {"trap", "pipe"}


def test_a_file_that_looks_larger_than_any_memory_stays_behind(anywhere: Sandbox) -> None:
    result = anywhere.run("echo x > good; truncate -s 1T huge; ls", artifacts=["good", "huge"], disk="1m")
    assert "good" in result.artifacts
    assert "huge" in {skipped.path for skipped in result.artifacts_skipped} | set(result.stdout.split())
    assert result.timings.collect < 10


def test_files_and_folders_of_any_name_come_back(anywhere: Sandbox) -> None:
    make = "mkdir -p 'ä/-b'; echo x > 'ä/-b/c d'; ln 'ä/-b/c d' same; : > $(printf 'caf\\351'); mkfifo pipe"
    result = anywhere.run(make, artifacts=["**"])
    assert set(result.artifacts) == {"ä/-b/c d", "same"}
    assert {skipped.path for skipped in result.artifacts_skipped} == {"caf?", "pipe"}


def test_a_job_that_uses_up_its_cpu_time_on_all_cores_is_stopped(anywhere: Sandbox) -> None:
    spin = "for one in 1 2 3 4; do (while :; do :; done) & done; wait"
    result = anywhere.run(spin, cpu_time=0.5, timeout=20)

    assert (result.status, result.limit) == (Status.TIMED_OUT, Limit.CPU_TIME)
    assert 0.5 <= (result.cpu_seconds or 0) < 0.75


def test_a_job_that_sleeps_uses_no_cpu_time(anywhere: Sandbox) -> None:
    result = anywhere.run("sleep 1.5", cpu_time=0.5)

    assert (result.status, result.limit) == (Status.SUCCEEDED, None)


@pytest.mark.parametrize(
    ("asked", "kib"), [({}, "8192"), ({"stack": "1m"}, "1024"), ({"stack": "64m"}, "65536")]
)
def test_the_stack_of_a_process_has_the_size_that_the_job_asks_for(
    anywhere: Sandbox, asked: dict[str, str], kib: str
) -> None:
    assert anywhere.run("ulimit -Ss; ulimit -Hs", **asked).stdout.split() == [kib, kib]


def test_the_result_names_the_limit_that_ended_the_job(anywhere: Sandbox) -> None:
    late = anywhere.run("sleep 60", timeout=0.2, grace=0)
    flood = anywhere.run("cat /dev/zero", output_limit="1k")

    assert (late.limit, flood.limit) == (Limit.TIMEOUT, Limit.OUTPUT)


def test_a_timeout_keeps_the_output_so_far(anywhere: Sandbox) -> None:
    result = anywhere.run("echo before; sleep 30; echo after", timeout=0.4 * PATIENCE, grace=0.3)
    assert (result.status, result.stdout) == (Status.TIMED_OUT, "before\n")
    assert 0.4 * PATIENCE <= result.duration < 3 * PATIENCE


def test_a_job_may_end_by_itself_within_its_grace(anywhere: Sandbox) -> None:
    job = "trap 'echo bye; exit 5' TERM; echo up; while :; do sleep 0.05; done"
    result = anywhere.run(job, timeout=0.5 * PATIENCE, grace=10)
    assert (result.status, result.exit_code, result.stdout) == (Status.TIMED_OUT, 5, "up\nbye\n")
    assert result.duration < 5 * PATIENCE


def test_a_job_that_ignores_sigterm_is_killed_a_grace_later(anywhere: Sandbox) -> None:
    result = anywhere.run("trap '' TERM; while :; do sleep 0.1; done", timeout=0.3 * PATIENCE, grace=0.4)
    assert (result.status, result.signal) == (Status.TIMED_OUT, "SIGKILL")
    assert 0.3 * PATIENCE + 0.4 <= result.duration < 3 * PATIENCE


def test_a_flood_stops_the_job(anywhere: Sandbox) -> None:
    result = anywhere.run("yes", output_limit=1000, timeout=20)
    assert result.status is Status.OUTPUT_LIMIT
    assert result.stdout_bytes > 64_000
    assert len(result.stdout) == 1000


def test_a_flood_of_stderr_stops_the_job_too(anywhere: Sandbox) -> None:
    assert anywhere.run("yes >&2", output_limit=1000, timeout=20).status is Status.OUTPUT_LIMIT


def test_more_than_is_kept_is_counted_to_the_byte(anywhere: Sandbox) -> None:
    command = "printf start; yes | head -c 100000; printf end"
    result = anywhere.run(command, output_limit=10_000)
    assert (result.stdout_bytes, result.stdout_truncated, result.stderr_truncated) == (100_008, True, False)
    assert (result.stdout[:5], result.stdout[-3:], len(result.stdout)) == ("start", "end", 10_000)


def test_each_stream_is_counted_for_itself(anywhere: Sandbox) -> None:
    result = anywhere.run("head -c 300000 /dev/zero; head -c 123457 /dev/zero >&2")
    assert (result.stdout_bytes, result.stderr_bytes) == (300_000, 123_457)


def test_bytes_that_are_not_utf8_come_as_replacement_characters(anywhere: Sandbox) -> None:
    result = anywhere.run(r"printf '\377a\303\251'")
    assert (result.stdout, result.stdout_bytes) == ("\ufffdaé", 4)


@pytest.mark.parametrize(
    ("argv", "code"), [(["/no/such/program"], 127), (["no-such-program"], 127), (["/etc/passwd"], 126)]
)
def test_what_cannot_be_started_gives_the_shells_codes(anywhere: Sandbox, argv: list[str], code: int) -> None:
    result = anywhere.run(argv)
    assert (result.status, result.exit_code) == (Status.FAILED, code)
    assert argv[0] in result.stderr


@pytest.mark.parametrize(
    ("name", "number"), [("SEGV", 11), ("KILL", 9), ("TERM", 15), ("ABRT", 6), ("INT", 2)]
)
def test_a_signal_is_named_and_coded_as_by_a_shell(anywhere: Sandbox, name: str, number: int) -> None:
    result = anywhere.run(f"kill -{name} $$")
    assert (result.status, result.exit_code, result.signal) == (Status.SIGNALED, 128 + number, f"SIG{name}")


@pytest.mark.parametrize("code", [129, 134, 137, 139, 141, 143, 150])
def test_a_high_exit_code_that_the_command_chose_is_no_signal(anywhere: Sandbox, code: int) -> None:
    result = anywhere.run(f"exit {code}")
    assert (result.status, result.exit_code, result.signal) == (Status.FAILED, code, None)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGHUP])
def test_a_job_does_not_ignore_what_its_worker_ignores(anywhere: Sandbox, number: signal.Signals) -> None:
    before = signal.signal(number, signal.SIG_IGN)
    try:
        result = anywhere.run(f"kill -{number} $$")
        still = signal.getsignal(number)
    finally:
        signal.signal(number, before)
    assert (result.signal, still) == (number.name, signal.SIG_IGN)


def test_children_that_outlive_the_command_are_gone(anywhere: Sandbox) -> None:
    unique = f"300.{secrets.randbelow(10**9):09}"
    result = anywhere.run(f"(sleep {unique} &) ; echo left", timeout=20)
    assert (result.stdout, result.duration < 10) == ("left\n", True)
    wait_until(lambda: not runs(unique), 10, "the child is gone")


def test_a_daemon_in_a_session_of_its_own_is_gone(anywhere: Sandbox) -> None:
    unique = f"300.{secrets.randbelow(10**9):09}"
    spawn = f"import subprocess; subprocess.Popen(['sleep', '{unique}'], start_new_session=True)"
    result = anywhere.run(["python3", "-Wignore", "-c", spawn], "python", timeout=20)
    assert (result.status, result.duration < 10) == (Status.SUCCEEDED, True)
    wait_until(lambda: not runs(unique), 10, "the daemon is gone")


def test_a_child_that_ignores_sigterm_is_gone_after_the_grace(anywhere: Sandbox) -> None:
    unique = f"300.{secrets.randbelow(10**9):09}"
    result = anywhere.run(f"trap '' TERM; sleep {unique} & wait", timeout=0.4, grace=0.2)
    assert result.status is Status.TIMED_OUT
    wait_until(lambda: not runs(unique), 10, "the child is gone")


def test_a_job_that_closes_its_streams_still_runs_to_its_end(anywhere: Sandbox) -> None:
    result = anywhere.run("exec >&- 2>&-; sleep 0.3; exit 4", timeout=5)
    assert (result.exit_code, result.duration >= 0.3) == (4, True)


def test_the_result_has_every_key_of_the_contract(anywhere: Sandbox) -> None:
    result = anywhere.run("true").to_dict()
    assert set(result) >= CONTRACT_KEYS
    assert set(result["timings"]) >= {"queued", "acquire", "run", "collect", "total"}


def test_the_result_names_the_program_that_made_the_container(
    anywhere: Sandbox, engine: docker.APIClient
) -> None:
    asked = anywhere.settings.oci_runtime
    made_by = {"docker": asked or engine.info()["DefaultRuntime"], "oci": asked, "host": None}
    result = anywhere.run("true")
    assert result.oci_runtime == made_by[result.engine]


def test_the_total_is_the_sum_of_the_timings(anywhere: Sandbox) -> None:
    timings = dict(anywhere.run("true").to_dict()["timings"])
    assert timings.pop("total") == pytest.approx(sum(timings.values()), abs=1e-5)


def test_every_job_starts_in_an_empty_folder(anywhere: Sandbox) -> None:
    anywhere.run("echo x > left-behind")
    assert anywhere.run("ls -A").stdout == ""


def test_cpu_and_memory_are_plausible(anywhere: Sandbox) -> None:
    result = anywhere.run("i=0; while [ $i -lt 200000 ]; do i=$((i+1)); done")
    assert result.cpu_seconds is not None
    assert 0.02 < result.cpu_seconds <= 2 * result.duration + 0.5
    assert result.memory_peak is not None
    assert 100_000 < result.memory_peak < (512 << 20) + _own_peak_bytes()


def _own_peak_bytes() -> int:
    """What the kernel counts for a child at least, because the child began as a part of this process."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss << 10


def test_a_job_that_sheds_its_environment_keeps_its_deadline(anywhere: Sandbox) -> None:
    result = anywhere.run("exec env -i sleep 30", timeout=0.3, grace=0.2)
    assert (result.status, result.duration < 10) == ("timed_out", True)
