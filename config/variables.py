"""Which environment variable sets which field. Explains unknown variables and bad values."""

from __future__ import annotations

import logging
from difflib import get_close_matches
from functools import cache
from typing import TYPE_CHECKING

from config.quoting import quoted

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from pydantic.fields import FieldInfo
    from pydantic_core import ErrorDetails

    Fields = Mapping[str, FieldInfo]

__all__ = ["OLD_NAMES", "explain", "key_of", "unknown_variables", "variable_of", "warn_of"]

_log = logging.getLogger("cellblock")

#: Variables that are accepted under their old names, and the fields that each sets.
OLD_NAMES = {"CELLBLOCK_MARGIN": ("engine_margin", "silence")}


def key_of(field_name: str, fields: Fields) -> str:
    """The key by which the model takes a field's value."""
    alias = fields[field_name].validation_alias
    return alias if isinstance(alias, str) else field_name


def variable_of(field_name: str, fields: Fields) -> str:
    """The name of the environment variable that sets a field."""
    key = key_of(field_name, fields)
    return key if key.isupper() else f"CELLBLOCK_{key.upper()}"


def unknown_variables(names: Iterable[str], fields: Fields) -> list[str]:
    """A sentence for each unknown name that begins as ours do, with the nearest known one, but no value."""
    plain = [variable_of(field, fields) for field in fields]
    # CELLBLOCK_CELL marks a job that runs on the host. Such a job may run our command too.
    known = {*plain, *(f"{name}_FILE" for name in plain), "CELLBLOCK_CELL"}
    accepted = {*known, *OLD_NAMES, *(f"{name}_FILE" for name in OLD_NAMES)}
    wrong = sorted(name for name in names if name.startswith("CELLBLOCK_") and name not in accepted)
    return [f"{name}: there is no such setting{_nearest(name, known)}" for name in wrong]


@cache
def warn_of(old: str) -> None:
    """Log once in each process that a variable has an old name. Without a log this goes to standard error."""
    instead = " and ".join(f"CELLBLOCK_{field.upper()}" for field in OLD_NAMES[old])
    _log.warning("%s is the old name of %s: set those instead", old, instead)


def _nearest(name: str, known: Iterable[str]) -> str:
    near = get_close_matches(name, sorted(known), 1, 0.75)
    return f"; {near[0]} is the nearest" if near else "; docs/reference/settings.md has them all"


def explain(errors: Iterable[ErrorDetails], fields: Fields) -> str:
    """What is wrong with which variable; the values of secrets are left out."""
    return "; ".join(_sentence(error, fields) for error in errors)


def _sentence(error: ErrorDetails, fields: Fields) -> str:
    if not error["loc"]:
        return _complaint(error, None)
    name = str(error["loc"][0])
    own = name if name.isupper() else f"CELLBLOCK_{name.upper()}"
    variable = variable_of(name, fields) if name in fields else own
    return f"{variable}={_shown(fields.get(name), error['input'])}: {_complaint(error, fields.get(name))}"


def _complaint(error: ErrorDetails, field: FieldInfo | None) -> str:
    """What the value should be, in words: no pattern, and nothing about how it was read."""
    if error["type"] == "string_pattern_mismatch" and field is not None and field.description:
        return f"this is no value for it. {field.description}"
    message = error["msg"].removeprefix("Value error, ").partition(", unable to")[0]
    return message.replace("Input should be", "it must be", 1)


def _shown(field: FieldInfo | None, value: object) -> str:
    return "(secret)" if field is not None and "SecretStr" in str(field.annotation) else quoted(value)
