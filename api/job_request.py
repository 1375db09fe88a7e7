"""The JSON Schema of a job's request, with the maxima of this deployment."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sandbox.limits import RULES, Rule
from sandbox.request import ARGUMENTS
from sandbox.runs.request import RUN_LIMITS, RUN_NAMES

if TYPE_CHECKING:
    from config import Catalogue, Settings

__all__ = ["job_request_schema"]

_TEXT = {"type": "string"}
_FLAG = {"type": "boolean"}
_REF = {"type": "string", "pattern": "^sha256:[0-9a-f]{64}$"}
_BASE64 = {"type": "string", "contentEncoding": "base64"}
_SIZE = {"type": "string", "pattern": r"^[0-9]+[kmgKMG]?$", "examples": ["64m"]}


def _object(name: str, schema: dict[str, Any]) -> dict[str, Any]:
    """An object with this one key."""
    return {"type": "object", "properties": {name: schema}, "required": [name], "additionalProperties": False}


_CONTENT = {"anyOf": [_TEXT, _object("base64", _BASE64)]}
_FILES = {
    "type": "object",
    "additionalProperties": {"anyOf": [_TEXT, _object("base64", _BASE64), _object("ref", _REF)]},
}
_ENV = {
    "type": "object",
    "propertyNames": {"pattern": "^[A-Za-z_][A-Za-z0-9_]{0,254}$"},
    "additionalProperties": _TEXT,
    "maxProperties": 1024,
}
_TOLERANCE = _object("float", {"type": "number", "minimum": 0, "maximum": 1})

_DESCRIBED: dict[str, tuple[str, dict[str, Any]]] = {
    "cmd": (
        "Text for the cell's shell, or a list that is executed as it is. Null: `files` decide what runs.",
        {"anyOf": [_TEXT, {"type": "array", "items": _TEXT, "minItems": 1, "maxItems": 16_384}]},
    ),
    "entry": ("The file that starts, where there is no `cmd`.", {**_TEXT, "examples": ["main.py"]}),
    "stdin": ("The job's standard input.", _CONTENT),
    "env": ("Variables, added to the job's environment.", _ENV),
    "files": ("Files by their paths under `/workspace`, written before the command starts.", _FILES),
    "artifacts": (
        "Patterns of files to bring back.",
        {"type": "array", "items": {**_TEXT, "minLength": 1}, "maxItems": 256, "examples": [["out/*.png"]]},
    ),
    "artifacts_as": ("How artifacts come back: in the result, or as refs.", {"enum": ["inline", "ref"]}),
    "workspace": ("The `workspace` of an earlier result, unpacked before `files`.", _REF),
    "keep_workspace": ("Whether `/workspace` is stored at the end.", _FLAG),
    "compare": (
        "How `expected` is compared with the output of a run.",
        {"anyOf": [{"enum": ["exact", "lines", "tokens"]}, _TOLERANCE]},
    ),
    "stop_on_failure": ("Whether the first run that is not accepted ends the job.", _FLAG),
    "network": (
        "Whether the job reaches the network, or a list of hosts. Only where the operator allows it.",
        {"anyOf": [_FLAG, {"type": "array", "items": _TEXT}]},
    ),
    "check": ("Whether a command that does not succeed is an error.", _FLAG),
}
_OF_RUNS: dict[str, tuple[str, dict[str, Any]]] = {
    **{name: _DESCRIBED[name] for name in ("stdin", "env", "files")},
    "name": ("How the result calls the run.", _TEXT),
    "args": ("Arguments that follow the command.", {"type": "array", "items": _TEXT}),
    "expected": ("What the run must write to be accepted.", _TEXT),
}


def job_request_schema(settings: Settings, catalogue: Catalogue) -> dict[str, Any]:
    """The schema. Null stands for an argument that is left out."""
    described = {name: _nullable(*about) for name, about in _DESCRIBED.items()}
    described |= {rule.name: _limit(rule, settings) for rule in RULES}
    described |= {"runtime": _runtime(catalogue), "runs": _runs(described, settings)}
    return {
        "title": "JobRequest",
        "description": "The arguments of `run_sandboxed`. Either `cmd` or `files` must say what to run.",
        "type": "object",
        "properties": {name: described[name] for name in ("cmd", "runtime", *ARGUMENTS)},
        "additionalProperties": False,
    }


def _runs(described: dict[str, Any], settings: Settings) -> dict[str, Any]:
    limits = {name: described[name] for name in RUN_LIMITS}
    own = {name: _nullable(*about) for name, about in _OF_RUNS.items()} | limits
    run = {
        "type": "object",
        "properties": {name: own[name] for name in RUN_NAMES},
        "additionalProperties": False,
    }
    several = {"type": "array", "items": run, "minItems": 1, "maxItems": settings.max_runs}
    return _nullable("Compile once, then each of these in a fresh cell of its own.", several)


def _runtime(catalogue: Catalogue) -> dict[str, Any]:
    names = sorted({name for one in catalogue.values() for name in (one.name, *one.aliases)})
    return {
        "description": "A name in the catalogue. Null: the files decide, else bash.",
        "enum": [*names, None],
    }


def _limit(rule: Rule, settings: Settings) -> dict[str, Any]:
    most, default = getattr(settings, rule.maximum), getattr(settings, rule.default)
    is_whole = rule.unit in ("bytes", "")
    least = int(rule.least) if is_whole else rule.least
    number = {"type": "integer" if is_whole else "number", "minimum": least, "maximum": most}
    usual = "no limit" if default is None else rule.show(default)
    said = f"At most {rule.show(most)}; {usual} where neither the job nor its runtime says."
    return _nullable(said, *([number, _SIZE] if rule.unit == "bytes" else [number]))


def _nullable(description: str, *schemas: dict[str, Any]) -> dict[str, Any]:
    return {"description": description, "anyOf": [*schemas, {"type": "null"}]}
