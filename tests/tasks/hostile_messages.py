"""Messages that are not calls of a task. Anybody with the broker's password can send them."""

from __future__ import annotations

import base64
import json
import zlib
from typing import Any
from uuid import uuid4

__all__ = ["MESSAGES", "MISSING", "call", "envelope"]

TASK = "cellblock.run_sandboxed"
#: As the value of a field: the field is left out.
MISSING = object()


def envelope(content: object, /, **changes: Any) -> bytes:
    """A message as kombu writes it, with `changes`. Those to `headers` and `properties` are merged."""
    own = str(uuid4())
    message = {
        "body": _encoded(content),
        "content-type": "application/json",
        "content-encoding": "utf-8",
        "headers": {"lang": "py", "task": TASK, "id": own, "root_id": own, "retries": 0},
        "properties": {
            "correlation_id": own,
            "delivery_info": {"exchange": "", "routing_key": "cellblock"},
            "delivery_tag": str(uuid4()),
            "body_encoding": "base64",
            "priority": 0,
        },
    }
    return json.dumps(_changed(message, changes)).encode()


def _encoded(body: object) -> str:
    return base64.b64encode(json.dumps(body).encode()).decode()


def _changed(message: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    for name, change in changes.items():
        mine = message.get(name)
        message[name] = (
            _changed(mine, change) if isinstance(mine, dict) and isinstance(change, dict) else change
        )
    return {name: value for name, value in message.items() if value is not MISSING}


def call(cmd: object = "true", **kwargs: object) -> list[Any]:
    """The body of a valid call."""
    return [[cmd, "bash"], kwargs, {"callbacks": None, "errbacks": None, "chain": None, "chord": None}]


def _raw() -> dict[str, bytes]:
    """Messages that have no envelope, or no readable task id."""
    return {
        "nothing": b"",
        "no JSON": b"{",
        "no UTF-8": b'{"body": "\xff"}',
        "a list": b"[]",
        "a number": b"7",
        "null": b"null",
        "a text": b'"x"',
        "an empty object": b"{}",
        "deep lists": b"[" * 200_000,
        "deep objects": b'{"a":' * 200_000,
        "deep and whole": b"[" * 500 + b"]" * 500,
        "a number of 5000 digits": b"9" * 5000,
        "a million values": b"[" + b"[]," * 1_000_000 + b"0]",
        "no date": b'{"headers": {"__type__": "date", "__value__": "x"}}',
        "no uuid": b'{"headers": {"__type__": "uuid", "__value__": 5}}',
        "no decimal": b'{"headers": {"__type__": "decimal", "__value__": "x"}}',
        "an unknown type": b'{"headers": {"__type__": "rocket", "__value__": 5}}',
        "a type that is a list": b'{"headers": {"__type__": [], "__value__": 5}}',
        **{f"headers that are {name}": envelope(call(), headers=value) for name, value in _ODD.items()},
        "no headers": envelope(call(), headers=MISSING),
        "headers of no task": envelope(call(), headers={"task": MISSING, "id": MISSING}),
        "no id": envelope(call(), headers={"id": MISSING}),
        **{
            f"an id that is {name}": envelope(call(), headers={"id": value})
            for name, value in _NO_IDS.items()
        },
    }


_ODD: dict[str, Any] = {
    "a list": [1],
    "a number": 5,
    "a text": "x",
    "true": True,
    "an infinite number": float("inf"),
}
_NO_IDS: dict[str, Any] = {
    "a list": [1],
    "an object": {"a": 1},
    "a number": 5,
    "null": None,
    "true": True,
    "empty": "",
    "long": "x" * 1000,
    "of two lines": "a\nb",
    "an escape": "\x1b[31mx",
    "a lone surrogate": "\ud800",
    "a NUL": "a\0b",
}
_JUNK: dict[str, Any] = {
    "a list": [1],
    "an object": {"a": 1},
    "a number": -5,
    "not a number": float("nan"),
    "a text": "\x1b[31mjunk\n",
    "a lone surrogate": "\ud800",
    "true": True,
}
#: Every header of Celery's protocol and of cellblock, with the names of those `_JUNK` that are valid in it.
_HEADERS: dict[str, tuple[str, ...]] = {
    "task": (),
    **dict.fromkeys(("lang", "root_id", "parent_id", "group", "shadow", "origin"), ()),
    **dict.fromkeys(("argsrepr", "kwargsrepr"), ("a text", "a lone surrogate")),
    **dict.fromkeys(("retries", "group_index", "replaced_task_nesting", "eta", "expires", "timelimit"), ()),
    "ignore_result": ("true",),
    **dict.fromkeys(("stamped_headers", "compression", "callbacks", "errbacks", "chain", "chord"), ()),
    **dict.fromkeys(("stamps", "headers"), ("an object",)),
    **dict.fromkeys(("cellblock_sent_at", "cellblock_received_at"), ("a number",)),
    **dict.fromkeys(("get", "update", "children", "as_execution_options", "turn"), tuple(_JUNK)[:0]),
}
_PROPERTIES: dict[str, tuple[str, ...]] = {
    "delivery_tag": (),
    "delivery_info": ("an object",),
    "body_encoding": (),
    "priority": ("a number", "true"),
    "correlation_id": (),
    "reply_to": (),
}


def _fields() -> dict[str, bytes]:
    """Calls with junk in one field. All other fields are valid."""
    found = {}
    for part, fields in (("headers", _HEADERS), ("properties", _PROPERTIES)):
        for field, allowed in fields.items():
            for name in _JUNK.keys() - set(allowed):
                found[f"{field} is {name}"] = envelope(call(), **{part: {field: _JUNK[name]}})
    for name, value in _ODD.items():
        found[f"properties are {name}"] = envelope(call(), properties=value)
        found[f"the body is {name}"] = envelope(call(), body=value)
        found[f"the content type is {name}"] = envelope(call(), **{"content-type": value})
        found[f"the encoding is {name}"] = envelope(call(), **{"content-encoding": value})
    return found


def _much(mebibytes: int) -> bytes:
    """Compressed spaces. After a full flush each mebibyte has the same bytes, so one is repeated."""
    packer = zlib.compressobj()
    first, second = (packer.compress(b" " * (1 << 20)) + packer.flush(zlib.Z_FULL_FLUSH) for _ in range(2))
    return first + second * (mebibytes - 1) + packer.flush()


def _bodies() -> dict[str, bytes]:
    """Messages with every kind of body that is not a call."""
    deep: Any = 1
    for _ in range(300):
        deep = [deep]
    packed = base64.b64encode(_much(300)).decode()
    wrong: dict[str, dict[str, Any]] = {
        **{f"{kind}": {"content-type": f"application/{kind}"} for kind in _KINDS},
        "no properties": {"properties": MISSING},
        "no tag": {"properties": {"delivery_tag": MISSING}},
        "an encoding that nobody knows": {"properties": {"body_encoding": "rot13"}},
        "damaged base64": {"body": "a"},
        "no body": {"body": MISSING},
        "compressed but not": {"headers": {"compression": "gzip"}},
        "compressed by whom": {"headers": {"compression": "rot13"}},
        "compressed from much": {"headers": {"compression": "gzip"}, "body": packed},
        "a year far away": {"headers": {"eta": "9999-12-31T23:59:59-23:59"}},
        "the year one": {"headers": {"expires": "0001-01-01T00:00:00+23:59"}},
        "retries beyond counting": {"headers": {"retries": 10**9}},
        "a large header": {"headers": {"x-mine": "x" * 100_000}},
    }
    shapes: dict[str, Any] = {
        "a number": 5,
        "null": None,
        "a text": "text",
        "an empty list": [],
        "a list of two": [["true"], {}],
        "arguments that are an object": [{}, {}, {}],
        "arguments that are a date": [{"__type__": "date", "__value__": "2024-01-01"}, {}, {}],
        "named ones that are a list": [[], [], {}],
        "options that are a list": [["true"], {}, [1]],
        "options of the request's own": [["true"], {}, {"id": [1]}],
        "another task's arguments": [["true"], {}, {"args": ["x"]}],
        "no date": call({"__type__": "date", "__value__": "x"}),
        "no uuid": call({"__type__": "uuid", "__value__": {"hex": 5}}),
        "no decimal": call({"__type__": "decimal", "__value__": "x"}),
        "no bytes": call({"__type__": "bytes", "__value__": 5}),
        "an unknown type": call({"__type__": "rocket", "__value__": 5}),
        "deep arguments": call(deep),
        "the first protocol, junk": {"task": TASK, "id": "first", "args": 5, "kwargs": {}},
        **{f"{name} of junk": [["true"], {}, {name: [{"task": 1}]}] for name in _FOLLOWERS},
        **{f"{name} that is a number": [["true"], {}, {name: 5}] for name in _FOLLOWERS},
        **{
            f"{name} of {key}": [["true"], {}, {name: value}]
            for name in _FOLLOWERS
            for key, value in _SIGS.items()
        },
    }
    digits = base64.b64encode(b"[[" + b"9" * 5000 + b"], {}, {}]").decode()
    surrogate = base64.b64encode(b"\xed\xa0\x80").decode()
    return {
        **{name: envelope(call(), **changes) for name, changes in wrong.items()},
        **{f"a body that is {name}": envelope(body) for name, body in shapes.items()},
        "a number of 5000 digits in the body": envelope(call(), body=digits),
        "a body in no UTF-8": envelope(call(), body=surrogate),
    }


_KINDS = ("x-python-serialize", "x-yaml", "x-msgpack", "data", "x" * 1000)
_FOLLOWERS = ("callbacks", "errbacks", "chain", "chord")
_BARE: dict[str, Any] = {"task": "t", "args": [], "kwargs": {}, "options": {}}
_SIGS: dict[str, Any] = {
    "an unknown kind": [_BARE | {"subtask_type": "rocket"}],
    "a kind that is a list": [_BARE | {"subtask_type": []}],
    "an empty group": [_BARE | {"subtask_type": "group"}],
    "a chord of junk": [_BARE | {"subtask_type": "chord", "kwargs": {"header": 5, "body": 5}}],
    "an id that is a list": [_BARE | {"options": {"task_id": [1]}}],
    "links that are a number": [_BARE | {"options": {"link": 5}}],
}

#: `DEAD`: messages for which no result can be stored. `REFUSED`: messages whose task must fail. By name.
DEAD = _raw()
REFUSED = _fields() | _bodies()
MESSAGES = DEAD | REFUSED
