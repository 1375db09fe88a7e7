"""Calls of every shape that hypothesis has changed so that something in them is wrong."""

from __future__ import annotations

import base64
import copy
import json
from typing import Any

from hypothesis import strategies as st

from tests.tasks.hostile_messages import TASK, call, envelope

__all__ = ["mutated_messages"]

_NEXT: dict[str, Any] = {
    "task": "user.collect",
    "args": [],
    "kwargs": {},
    "options": {"queue": "cellblock"},
    "subtask_type": None,
    "immutable": False,
}
_GROUP = _NEXT | {"task": "celery.group", "subtask_type": "group", "kwargs": {"tasks": [_NEXT]}}
_CMD = ["true"]
_FIRST = {"task": TASK, "id": "first", "args": [_CMD], "kwargs": {}, "retries": 0, "utc": True, "chord": None}
_STAMPS = {
    "stamps": {"a": ["1"]},
    "stamped_headers": ["a"],
    "traceparent": "00-1-2-01",
    "cellblock_sent_at": 1.7e9,
}


def _followed_by(**followers: Any) -> list[Any]:
    return [[_CMD], {"runtime": "bash", "env": {"A": "b"}}, followers]


# The calls before they are mutated: their bodies, and the changes to their envelopes.
_SEEDS: list[tuple[Any, dict[str, Any]]] = [
    (call(_CMD, timeout=5), {"headers": {"retries": 1, "timelimit": [3, 2], "group": "g", "group_index": 0}}),
    (call(_CMD, files={"a": {"base64": "AA=="}}, stdin="x"), {"headers": _STAMPS}),
    (_followed_by(callbacks=[_NEXT], errbacks=[_NEXT]), {}),
    (_followed_by(chain=[_NEXT, _GROUP]), {"headers": {"eta": "2020-01-01T00:00:00", "origin": "x"}}),
    (_followed_by(chord=_NEXT), {"headers": {"group": "g"}}),
    (_FIRST, {"headers": {"task": None}}),
]
_TYPES = ("date", "datetime", "time", "uuid", "decimal", "bytes", "base64", "rocket")
_scalars = (
    st.none()
    | st.booleans()
    | st.integers(-(10**30), 10**30)
    | st.floats()
    | st.text(max_size=20)
    | st.sampled_from(["\ud800", "\x1b[2J", "a\0b", "", "1", "null", "x" * 2000, 10**400, -1, 10**12])
)
_typed = st.builds(
    lambda kind, value: {"__type__": kind, "__value__": value}, st.sampled_from(_TYPES), _scalars
)
_junk = st.recursive(
    _scalars | _typed,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=5,
)


@st.composite
def mutated_messages(draw: st.DrawFn) -> bytes:
    """A message with one to four faults: in its values, its keys or its bytes."""
    body, changes = draw(st.sampled_from(_SEEDS))
    body = copy.deepcopy(body)
    message = json.loads(envelope(body, **changes))
    for _ in range(draw(st.integers(1, 3))):
        _spoil(draw, draw(st.sampled_from([message, message.get("headers") or message, body])))
    message["body"] = _encoded(draw, body) if "body" in message else draw(_junk)
    raw = json.dumps(message).encode()
    return _spoiled_bytes(draw, raw) if draw(st.integers(0, 9)) == 0 else raw


def _encoded(draw: st.DrawFn, body: Any) -> str:
    text = json.dumps(body).encode()
    if draw(st.integers(0, 9)) == 0:
        text = _spoiled_bytes(draw, text)
    return base64.b64encode(text).decode()


def _spoil(draw: st.DrawFn, where: Any) -> None:
    """Change, add or remove one value at any depth."""
    while isinstance(where, dict | list) and where:
        key = draw(st.sampled_from(sorted(where) if isinstance(where, dict) else range(len(where))))
        inner = where[key]
        if isinstance(inner, dict | list) and inner and draw(st.booleans()):
            where = inner
            continue
        match draw(st.integers(0, 3)):
            case 0:
                del where[key]
            case 1 if isinstance(where, dict):
                where[draw(st.text(max_size=12) | st.sampled_from(["get", "turn", "__class__", "args"]))] = (
                    inner
                )
            case _:
                where[key] = draw(_junk)
        return


def _spoiled_bytes(draw: st.DrawFn, raw: bytes) -> bytes:
    place = draw(st.integers(0, len(raw)))
    return raw[:place] + draw(st.binary(max_size=4)) + raw[place + draw(st.integers(0, 8)) :]
