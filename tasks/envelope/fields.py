"""The headers and properties of a call: which ones are allowed, and what each may hold."""

from __future__ import annotations

import inspect
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from celery.app.task import Context
from kombu.utils.json import dumps

from config.quoting import quoted
from config.tenants import is_tenant
from tasks.envelope.parts import Junk
from tasks.envelope.rules import (
    ID,
    NAME,
    is_count,
    is_flag,
    is_number,
    is_object,
    is_text,
    is_texts,
    is_time,
    is_time_limits,
)
from tasks.envelope.signatures import is_signature, is_signatures
from tasks.headers import ACCEPTED, FULL, RECEIVED_AT, REFUSAL, SENT_AT, TENANT

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

__all__ = ["check_embedded", "clean_headers", "clean_properties"]

# The largest size of all of an app's own headers together, such as those of traces.
_OWN_BYTES = 64 << 10


@dataclass(frozen=True, slots=True)
class Field:
    """The rule for a field, as a function and in words."""

    rule: Callable[[object], bool]
    words: str
    # Not passed on: the worker has no use for the field, or sets it itself.
    dropped: bool = False


_TEXT = Field(is_text, "text of one line")
_SHOWN = Field(lambda value: isinstance(value, str), "text", dropped=True)
_COUNT = Field(is_count, "a whole number from 0 to 1000")
_FLAG = Field(is_flag, "true or false")
_TIME = Field(is_time, "a time in ISO 8601")
_SECONDS = Field(is_number, "a number of seconds")
_OBJECT = Field(is_object, "an object")
_SIGNATURES = Field(is_signatures, "a list of signatures")

# What the third part of a body may have: the tasks that follow.
_FOLLOWERS = {
    "callbacks": _SIGNATURES,
    "errbacks": _SIGNATURES,
    "chain": _SIGNATURES,
    "chord": Field(is_signature, "a signature"),
}
_HEADERS = {
    "task": Field(NAME, "a name"),
    "id": Field(ID, "an id"),
    **dict.fromkeys(("lang", "root_id", "parent_id", "group", "meth", "origin", "taskset"), _TEXT),
    # A shadow name would hide the name of the task.
    "shadow": Field(is_text, "text of one line", dropped=True),
    **dict.fromkeys(("argsrepr", "kwargsrepr"), _SHOWN),
    **dict.fromkeys(("retries", "group_index", "replaced_task_nesting"), _COUNT),
    **dict.fromkeys(("eta", "expires"), _TIME),
    **dict.fromkeys(("ignore_result", "redelivered", "utc"), _FLAG),
    "timelimit": Field(is_time_limits, "a list of the hard and the soft limit", dropped=True),
    "compression": Field(is_text, "text", dropped=True),
    "stamped_headers": Field(is_texts, "a list of names"),
    **dict.fromkeys(("stamps", "headers"), _OBJECT),
    **dict.fromkeys((SENT_AT, RECEIVED_AT), _SECONDS),
    REFUSAL: _TEXT,
    TENANT: Field(is_tenant, "a tenant's name: 1 to 64 of A-Z a-z 0-9 . _ @ -"),
    ACCEPTED: _FLAG,
    # Only a worker sets it, after this check.
    FULL: Field(is_number, "a number of seconds", dropped=True),
    **_FOLLOWERS,
}
_PROPERTIES = {
    "delivery_tag": Field(NAME, "text of one line"),
    "delivery_info": _OBJECT,
    "body_encoding": Field(lambda value: value in ("", "base64", "utf-8"), "base64 or utf-8"),
    **dict.fromkeys(("correlation_id", "reply_to"), _TEXT),
    "priority": Field(lambda value: isinstance(value, int) and abs(value) <= 255, "a whole number to 255"),
}
# A header becomes an attribute of the request. Headers with these names would replace its methods.
_METHODS = {name for name, value in inspect.getmembers_static(Context) if callable(value)} | {
    "children",
    "turn",
}
# The attributes of the request that the worker sets.
_WORKERS = {name for name in vars(Context) if name not in _HEADERS} - _METHODS


def clean_headers(headers: Mapping[str, Any]) -> dict[str, Any]:
    """The headers that the request gets. Headers that are None or that nobody uses are left out.

    Raises:
        Junk: a header breaks its rule, or a required one is missing.
    """
    _check(headers, _HEADERS, "header", needed=("task", "id"))
    own = {name: value for name, value in headers.items() if name not in _HEADERS and name not in _WORKERS}
    if own:
        _check_own(own)
    known = {name: value for name, value in headers.items() if name in _HEADERS and value is not None}
    return own | {name: value for name, value in known.items() if not _HEADERS[name].dropped}


def clean_properties(properties: object) -> dict[str, Any]:
    """The properties that the request gets.

    Raises:
        Junk: there are no properties, one breaks its rule, or a required one is missing.
    """
    if not isinstance(properties, dict):
        raise Junk("its properties are no object")
    _check(properties, _PROPERTIES, "property", needed=("delivery_tag", "delivery_info"))
    where = properties["delivery_info"]
    if not all(where.get(name) is None or is_text(where[name]) for name in ("exchange", "routing_key")):
        raise Junk("its delivery_info names no exchange and routing key")
    kept = ("correlation_id", "reply_to", "priority")
    return {name: properties[name] for name in kept if properties.get(name) is not None}


def check_embedded(embedded: Mapping[str, Any]) -> None:
    """Raise Junk unless a body's third part names the tasks that follow, and nothing else."""
    if not embedded.keys() <= _FOLLOWERS.keys():
        raise Junk("the third part of its body holds more than callbacks, errbacks, chain and chord")
    _check(embedded, _FOLLOWERS, "part")


def _check(
    values: Mapping[str, Any], fields: Mapping[str, Field], kind: str, needed: Sequence[str] = ()
) -> None:
    for name in needed:
        if values.get(name) is None:
            raise Junk(f"its {kind} {name} is missing")
    for name, value in values.items():
        field = fields.get(name)
        if field and value is not None and not field.rule(value):
            raise Junk(f"its {kind} {name} is not {field.words}")


def _check_own(own: Mapping[str, Any]) -> None:
    for name in own:
        if name in _METHODS or not NAME(name):
            raise Junk(f"it can have no header {quoted(name)}")
    if len(dumps(own)) > _OWN_BYTES:
        raise Junk(f"its headers of its own are larger than {_OWN_BYTES >> 10} KiB")
