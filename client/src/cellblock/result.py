"""The result of a job, and how it is read from JSON."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import MISSING, dataclass, field, fields
from typing import Any

from cellblock.errors import UnreadableResult
from cellblock.shared.result import (
    Artifact,
    Limit,
    RunResult,
    RunVerdict,
    SkippedArtifact,
    Stage,
    Status,
    Timings,
)
from cellblock.shared.result import Result as Shared

__all__ = [
    "Artifact",
    "Limit",
    "Result",
    "RunResult",
    "RunVerdict",
    "SkippedArtifact",
    "Stage",
    "Status",
    "Timings",
    "read_result",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Result(Shared, Mapping[str, Any]):
    """How a job ended. Its attributes are typed.

    As a mapping it is the JSON object that the worker stored, which may have keys that are newer than this
    client: `result["status"]`.
    """

    json: Mapping[str, Any] = field(default_factory=dict, repr=False)
    """That object."""

    def __getitem__(self, key: str) -> Any:  # noqa: ANN401
        return self.json[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self.json)

    def __len__(self) -> int:
        return len(self.json)


def read_result(value: object) -> Result:
    """The result in `value`, which may have keys that this client does not know.

    Raises:
        UnreadableResult: it is no result of a job.
    """
    try:
        return _result(value)
    except (ValueError, TypeError, AttributeError, KeyError) as error:
        raise UnreadableResult(
            f"What is stored is no result that this client can read ({type(error).__name__}: {error})."
            " Try: a newer cellblock-client."
        ) from None


def _result(value: Any) -> Result:  # noqa: ANN401
    read = {**_known(Shared, value), "json": value}
    return Result(
        **read
        | _words(value)
        | {
            "stage": Stage(value.get("stage", Stage.RUN)),
            "runs": [_run(one) for one in value.get("runs", [])],
            "timings": Timings(**_known(Timings, value["timings"])),
            "artifacts": {
                path: Artifact(**_known(Artifact, one)) for path, one in value.get("artifacts", {}).items()
            },
            "artifacts_skipped": [
                SkippedArtifact(**_known(SkippedArtifact, one)) for one in value.get("artifacts_skipped", [])
            ],
        }
    )


def _run(value: Mapping[str, Any]) -> RunResult:
    return RunResult(**_known(RunResult, value) | _words(value))


def _words(value: Mapping[str, Any]) -> dict[str, Any]:
    limit, verdict = value.get("limit"), value.get("verdict")
    return {
        "status": Status(value["status"]),
        "limit": None if limit is None else Limit(limit),
        "verdict": None if verdict is None else RunVerdict(verdict),
    }


def _known(cls: Any, value: Mapping[str, Any]) -> dict[str, Any]:  # noqa: ANN401  any dataclass
    """The members of `value` that `cls` has. One that is missing and has no default is an error."""
    for one in fields(cls):
        if one.name not in value and one.default is MISSING and one.default_factory is MISSING:
            raise KeyError(one.name)
    return {one.name: value[one.name] for one in fields(cls) if one.name in value}
