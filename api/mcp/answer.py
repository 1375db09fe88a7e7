"""Answers of the tools: text for the model, images, and the same facts as structured content."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mcp.types import CallToolResult, TextContent

from api.mcp.shortened import shortened
from config.quoting import named

if TYPE_CHECKING:
    from collections.abc import Mapping

    from api.mcp.job import Job
    from api.mcp.new_images import NewImages

__all__ = ["JOB_SCHEMA", "answer", "ended_answer", "refusal", "running_answer"]

_NULLABLE = {"integer": ["integer", "null"], "string": ["string", "null"], "number": ["number", "null"]}
_PLAIN = (
    "exit_code",
    "signal",
    "limit",
    "duration",
    "memory_peak",
    "stdout_bytes",
    "stderr_bytes",
    "runtime",
)

#: The shape of what `run`, `result` and `cancel` answer.
JOB_SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        "job": {"type": "string", "description": "The job's id."},
        "status": {
            "type": "string",
            "description": "succeeded, failed, signaled, timed_out, out_of_memory, output_limit, cancelled;"
            " queued, running or unknown while it is not over.",
        },
        "exit_code": {"type": _NULLABLE["integer"], "description": "128 + n for signal n."},
        "signal": {"type": _NULLABLE["string"]},
        "limit": {"type": _NULLABLE["string"], "description": "Which limit has ended it."},
        "duration": {"type": _NULLABLE["number"], "description": "Seconds."},
        "memory_peak": {"type": _NULLABLE["integer"], "description": "Bytes."},
        "runtime": {"type": "string"},
        "stdout": {"type": "string", "description": "Of a long output its start and its end."},
        "stderr": {"type": "string"},
        "stdout_bytes": {"type": "integer", "description": "How much it has written in all."},
        "stderr_bytes": {"type": "integer"},
        "stdout_truncated": {"type": "boolean"},
        "stderr_truncated": {"type": "boolean"},
        "images": {"type": "array", "items": {"type": "string"}, "description": "The images that follow."},
        "notes": {"type": "array", "items": {"type": "string"}},
    },
    "required": ["job", "status"],
}


def answer(text: str, facts: Mapping[str, Any] | None = None, *more: Any) -> CallToolResult:  # noqa: ANN401
    """An answer with this text, which UTF-8 can encode then, and more content behind it."""
    return CallToolResult(
        content=[TextContent(text=_clean(text)), *more],
        structured_content=None if facts is None else {name: _clean(fact) for name, fact in facts.items()},
    )


def refusal(sentence: str) -> CallToolResult:
    """What a tool answers that could not do what it was asked: an error that the model may correct."""
    return CallToolResult(content=[TextContent(text=_clean(sentence))], is_error=True)


def ended_answer(job_id: str, result: Mapping[str, Any], images: NewImages, not_kept: str) -> CallToolResult:
    """The answer for a job that has a result, whatever came of its command."""
    notes = [*images.notes, *([_not_kept(not_kept)] if not_kept else [])]
    facts = {
        "job": job_id,
        "status": str(result.get("status")),
        **{name: result[name] for name in _PLAIN if name in result},
        **_streams(result),
        "images": list(map(named, images.shown)),
        "notes": notes,
    }
    lines = [_headline(facts), *_sections(facts), *notes]
    for path, content in images.shown.items():
        lines.append(f"New image: {named(path)}")
        del content
    return answer("\n".join(lines), facts, *images.shown.values())


def running_answer(job: Job, state: str) -> CallToolResult:
    """The answer for a job that is not over."""
    newest = job.newest.text
    left_out = max(0, job.newest.total_bytes - len(newest.encode()))
    facts = {"job": job.id, "status": state, "stdout": newest, "notes": [_call_again(job, state)]}
    lines = [*facts["notes"]]
    if newest:
        before = f" ({left_out} bytes before it are left out)" if left_out else ""
        lines.append(f"Its newest output, of both streams{before}:\n{newest}")
    return answer("\n".join(lines), facts)


def _call_again(job: Job, state: str) -> str:
    what = {
        "queued": f"is queued: no worker has taken it for {job.seconds:.0f} s; all are busy, or none runs",
        "running": f"still runs, after {job.seconds:.0f} s",
    }.get(state, "was sent, and the queue cannot be reached now")
    return f"Job {job.id} {what}. Call `result` to wait for the rest, or `cancel` to end it."


def _not_kept(reason: str) -> str:
    return f"The files are as they were before this job. Why they were not kept: {reason.rstrip('.')}."


def _streams(result: Mapping[str, Any]) -> dict[str, Any]:
    facts: dict[str, Any] = {}
    for name in ("stdout", "stderr"):
        whole, is_cut = str(result.get(name) or ""), bool(result.get(f"{name}_truncated"))
        facts[name] = shortened(whole, _count(result.get(f"{name}_bytes")), is_cut=is_cut)
        facts[f"{name}_truncated"] = facts[name] != whole or is_cut
    return facts


def _count(value: object) -> int:
    return value if isinstance(value, int) else 0


def _headline(facts: Mapping[str, Any]) -> str:
    code, signal, limit = facts.get("exit_code"), facts.get("signal"), facts.get("limit")
    about = [
        str(facts["status"]),
        *([f"exit code {code}"] if code is not None else []),
        *([f"signal {signal}"] if signal else []),
        *([f"limit: {limit}"] if limit else []),
        *([f"{facts['duration']:.2f} s"] if isinstance(facts.get("duration"), int | float) else []),
    ]
    return ", ".join(about)


def _sections(facts: Mapping[str, Any]) -> list[str]:
    given = [f"{name}:\n{facts[name]}" for name in ("stdout", "stderr") if facts[name]]
    if any(facts[f"{name}_truncated"] for name in ("stdout", "stderr")):
        given.append(
            "To see all of a long output, write it to a file and read parts of that with `read_file`."
        )
    return given or ["It has written nothing."]


def _clean(value: Any) -> Any:  # noqa: ANN401
    """The same, with no lone surrogate in it: no answer could be sent with one."""
    match value:
        case str():
            return value.encode("utf-8", "replace").decode()
        case list():
            return list(map(_clean, value))
        case dict():
            return {_clean(name): _clean(member) for name, member in value.items()}
        case _:
            return value
