"""Jobs of every kind. Each has exactly one right end, whatever faults happen."""

from __future__ import annotations

import base64
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from random import Random

__all__ = ["ChaosJob", "job_plan"]

Fields = dict[str, Any]


@dataclass(frozen=True, slots=True)
class ChaosJob:
    """A request and its right end: the task's state, and some keys of its result."""

    id: str
    kind: str
    args: list[Any]
    kwargs: Fields
    state: str
    answer: Fields

    def is_right(self, state: str, answer: object) -> bool:
        """Whether this is the job's right end."""
        given = answer if isinstance(answer, Mapping) else {}
        return state == self.state and all(given.get(key) == value for key, value in self.answer.items())


@dataclass(frozen=True, slots=True)
class _Kind:
    args: list[Any]
    answer: Fields
    kwargs: Fields = field(default_factory=dict)
    state: str = "SUCCESS"


def job_plan(random: Random, count: int, *, python: bool) -> Iterator[ChaosJob]:
    """Plan `count` jobs with every kind equally often. With `python` some of them use the Python image."""
    kinds = _BASH | (_PYTHON if python else {})
    names = list(kinds)
    for number in range(count):
        if number % len(names) == 0:
            random.shuffle(names)
        name = names[number % len(names)]
        token = f"{random.getrandbits(64):016x}"
        kind = kinds[name](token, random)
        job_id = str(uuid.UUID(int=random.getrandbits(128), version=4))
        yield ChaosJob(job_id, name, kind.args, kind.kwargs, kind.state, kind.answer)


def _printed(text: str) -> Fields:
    return {"status": "succeeded", "exit_code": 0, "signal": None, "stdout": text, "stderr": ""}


def _ended(status: str, code: int, signal: str | None, text: str) -> Fields:
    return {"status": status, "exit_code": code, "signal": signal, "stdout": text}


def _echo(token: str, _: Random) -> _Kind:
    return _Kind([f"echo {token}", "bash"], _printed(f"{token}\n"))


def _default_runtime(token: str, _: Random) -> _Kind:
    return _Kind([f"echo {token}"], _printed(f"{token}\n"))


def _argv(token: str, _: Random) -> _Kind:
    return _Kind([["printf", "%s;", token, "a b", "*"], "bash"], _printed(f"{token};a b;*;"))


def _slow(token: str, random: Random) -> _Kind:
    seconds = random.uniform(0.5, 4)
    return _Kind([f"echo {token}; sleep {seconds:.2f}; echo done", "bash"], _printed(f"{token}\ndone\n"))


def _exit_code(token: str, random: Random) -> _Kind:
    code = random.randint(1, 125)
    return _Kind([f"echo {token}; exit {code}", "bash"], _ended("failed", code, None, f"{token}\n"))


def _signal(token: str, random: Random) -> _Kind:
    name, number = random.choice([("SEGV", 11), ("KILL", 9), ("ABRT", 6), ("TERM", 15)])
    answer = _ended("signaled", 128 + number, f"SIG{name}", f"{token}\n")
    return _Kind([f"echo {token}; kill -{name} $$", "bash"], answer)


def _timeout(token: str, _: Random) -> _Kind:
    answer = {"status": "timed_out", "stdout": f"{token}\n"}
    return _Kind([f"echo {token}; sleep 300", "bash"], answer, {"timeout": 1.0, "grace": 0.5})


def _stubborn(token: str, _: Random) -> _Kind:
    answer = {"status": "timed_out", "stdout": f"{token}\n"}
    cmd = f"trap '' TERM; echo {token}; while :; do sleep 5; done"
    return _Kind([cmd, "bash"], answer, {"timeout": 0.5, "grace": 0.5})


def _memory_bomb(_token: str, _: Random) -> _Kind:
    return _Kind(["exec tail /dev/zero", "bash"], {"status": "out_of_memory"}, {"memory": "32m"})


def _flood(_token: str, _: Random) -> _Kind:
    return _Kind(["yes", "bash"], {"status": "output_limit"}, {"output_limit": 1000})


def _output(token: str, random: Random) -> _Kind:
    lines = random.randint(1000, 20_000)
    text = "".join(f"{number}\n" for number in range(1, lines + 1))
    return _Kind([f"seq {lines}; echo {token} >&2", "bash"], _printed(text) | {"stderr": f"{token}\n"})


def _files(token: str, _: Random) -> _Kind:
    upper = f"{token.upper()}\n".encode()
    artifact = {"size": len(upper), "base64": base64.b64encode(upper).decode()}
    kwargs = {"files": {"in/a.txt": f"{token}\n"}, "artifacts": ["out/*"]}
    cmd = "mkdir out; tr a-z A-Z <in/a.txt >out/b.txt"
    return _Kind([cmd, "bash"], _printed("") | {"artifacts": {"out/b.txt": artifact}}, kwargs)


def _stdin(token: str, _: Random) -> _Kind:
    return _Kind(['cat; echo "$WORD"', "bash"], _printed(f"{token}two words\n"), _stdin_and_env(token))


def _stdin_and_env(token: str) -> Fields:
    return {"stdin": {"base64": base64.b64encode(token.encode()).decode()}, "env": {"WORD": "two words"}}


def _unicode(token: str, _: Random) -> _Kind:
    text = f"Žluťoučký 🐎 «{token}» \u202e ü\u0308"
    return _Kind([["printf", "%s", text], "bash"], _printed(text))


def _failing_check(token: str, _: Random) -> _Kind:
    answer = {"exc_type": "CommandFailed"}
    return _Kind([f"echo {token}; exit 3", "bash"], answer, {"check": True}, state="FAILURE")


def _refused(_token: str, _: Random) -> _Kind:
    return _Kind(["true", "cobol"], {"exc_type": "InvalidJob"}, state="FAILURE")


def _python_print(token: str, _: Random) -> _Kind:
    return _Kind([["python", "-c", f"print('{token}', 6 * 7)"], "python"], _printed(f"{token} 42\n"))


def _python_error(token: str, _: Random) -> _Kind:
    cmd = ["python", "-c", f"print('{token}', flush=True); raise SystemExit(7)"]
    return _Kind([cmd, "python"], _ended("failed", 7, None, f"{token}\n"))


def _python_file(token: str, _: Random) -> _Kind:
    return _Kind([None], _printed(f"{token}\n"), {"files": {"main.py": f"print('{token}')"}})


_BASH: dict[str, Callable[[str, Random], _Kind]] = {
    "echo": _echo,
    "default runtime": _default_runtime,
    "argv": _argv,
    "slow": _slow,
    "slower": _slow,
    "exit code": _exit_code,
    "signal": _signal,
    "timeout": _timeout,
    "stubborn timeout": _stubborn,
    "memory bomb": _memory_bomb,
    "flood": _flood,
    "output": _output,
    "files and artifacts": _files,
    "stdin and environment": _stdin,
    "unicode": _unicode,
    "failing check": _failing_check,
    "refused": _refused,
}
_PYTHON: dict[str, Callable[[str, Random], _Kind]] = {
    "python": _python_print,
    "python error": _python_error,
    "python file": _python_file,
}
