"""The JSON Schema of a job's request, with the maxima of this deployment."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sandbox.job import ARGUMENTS
from sandbox.limits import RULES, Rule

if TYPE_CHECKING:
    from config import Catalogue, Settings

__all__ = ["job_request_schema"]

_TEXT = {"type": "string"}
_BASE64 = {
    "type": "object",
    "properties": {"base64": {"type": "string", "contentEncoding": "base64"}},
    "required": ["base64"],
    "additionalProperties": False,
}
_CONTENT = {"anyOf": [_TEXT, _BASE64]}
_SIZE = {"type": "string", "pattern": r"^[0-9]+[kmgKMG]?$", "examples": ["64m"]}

_OTHERS: dict[str, tuple[str, dict[str, Any]]] = {
    "cmd": (
        "Text for the cell's shell, or a list that is executed as it is. Null: `files` decide what runs.",
        {"anyOf": [_TEXT, {"type": "array", "items": _TEXT, "minItems": 1, "maxItems": 16_384}]},
    ),
    "entry": ("The file that starts, where there is no `cmd`.", {**_TEXT, "examples": ["main.py"]}),
    "stdin": ("The job's standard input.", _CONTENT),
    "env": (
        "Variables, added to the job's environment.",
        {
            "type": "object",
            "propertyNames": {"pattern": "^[A-Za-z_][A-Za-z0-9_]{0,254}$"},
            "additionalProperties": _TEXT,
            "maxProperties": 1024,
        },
    ),
    "files": (
        "Files by their paths under `/workspace`, written before the command starts.",
        {"type": "object", "additionalProperties": _CONTENT},
    ),
    "artifacts": (
        "Patterns of files to bring back.",
        {"type": "array", "items": {**_TEXT, "minLength": 1}, "maxItems": 256, "examples": [["out/*.png"]]},
    ),
    "network": (
        "Whether the job reaches the network, or a list of hosts. Only where the operator allows it.",
        {"anyOf": [{"type": "boolean"}, {"type": "array", "items": _TEXT}]},
    ),
    "check": ("Whether a command that does not succeed is an error.", {"type": "boolean"}),
}


def job_request_schema(settings: Settings, catalogue: Catalogue) -> dict[str, Any]:
    """The schema. Null stands for an argument that is left out."""
    arguments = ("cmd", "runtime", *ARGUMENTS)
    rules = {rule.name: rule for rule in RULES}
    described = {"runtime": _runtime(catalogue)} | {
        name: _limit(rules[name], settings) if name in rules else _other(name)
        for name in arguments
        if name != "runtime"
    }
    return {
        "title": "JobRequest",
        "description": "The arguments of `run_sandboxed`. Either `cmd` or `files` must say what to run.",
        "type": "object",
        "properties": {name: described[name] for name in arguments},
        "additionalProperties": False,
    }


def _runtime(catalogue: Catalogue) -> dict[str, Any]:
    names = sorted({name for one in catalogue.values() for name in (one.name, *one.aliases)})
    return {
        "description": "A name in the catalogue. Null: the files decide, else bash.",
        "enum": [*names, None],
    }


def _other(name: str) -> dict[str, Any]:
    description, schema = _OTHERS[name]
    return {"description": description, "anyOf": [schema, {"type": "null"}]}


def _limit(rule: Rule, settings: Settings) -> dict[str, Any]:
    most, default = getattr(settings, rule.maximum), getattr(settings, rule.default)
    whole = rule.unit in ("bytes", "")
    number = {"type": "integer" if whole else "number", "minimum": rule.least, "maximum": most}
    if whole:
        number["minimum"] = int(rule.least)
    kinds = [number, _SIZE] if rule.unit == "bytes" else [number]
    said = f"At most {rule.show(most)}; {rule.show(default)} where neither the job nor its runtime says."
    return {"description": said, "anyOf": [*kinds, {"type": "null"}]}
