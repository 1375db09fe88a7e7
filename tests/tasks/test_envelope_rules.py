"""The limits of a message: its characters, its values and its depth."""

from __future__ import annotations

import bz2
import json
import lzma
import math
import tracemalloc
import zlib
from typing import Any

import pytest
from kombu import compression as kombus

from tasks.envelope import Parts
from tasks.envelope.compression import bound_kombus, decompress
from tasks.envelope.parts import Junk, open_message, read_json
from tasks.envelope.rules import (
    ID,
    NAME,
    is_count,
    is_flag,
    is_moment,
    is_number,
    is_object,
    is_text,
    is_texts,
    is_time,
    is_time_limits,
)
from tasks.envelope.signatures import is_signature, is_signatures
from tests.tasks.hostile_messages import call, envelope

MOST = 1 << 20
SIGNATURE: dict[str, Any] = {"task": "t", "args": [], "kwargs": {}, "options": {}}
PROPERTIES: dict[str, Any] = {"delivery_tag": "tag", "delivery_info": {}}


@pytest.mark.parametrize(
    ("rule", "good", "bad"),
    [
        (ID, ["x", "x" * 255], ["", "x" * 256, "a\n", 5, None]),
        (NAME, ["x", "x" * 255], ["", "x" * 256, "\x1b"]),
        (is_text, ["", "x", "x" * 1024], ["x" * 1025, "a\nb", None, 5]),
        (is_texts, [[], ["", "x"], ["x"] * 1000], [["x"] * 1001, ["a\n"], "x", None]),
        (is_count, [0, 1, 1000], [-1, 1001, True, 1.0, "1", None]),
        (is_flag, [True, False], [0, 1, None, "true"]),
        (is_object, [{}], [[], None]),
        (is_number, [0, -1e11, 1e11, 5.5], [1.01e11, -1.01e11, math.nan, math.inf, True, "5", None]),
        (
            is_time,
            ["", "2024-01-01T00:00:00", "2024-01-01T00:00:00+01:00"],
            ["x", 5, None, "1969-12-31T00:00"],
        ),
        (
            is_time,
            ["1970-01-02T00:00:00"],
            ["1969-12-30T00:00:00", "9999-12-31T00:00:00", f"2024-01-01T00:00:00.{0:060}"],
        ),
        (is_moment, ["2024-01-01T00:00:00", 5], ["x", None, True]),
        (is_time_limits, [[None, None], [1, 2.5]], [[1], [1, 2, 3], ["x", None], 5, None]),
        (
            is_signature,
            [SIGNATURE],
            [SIGNATURE | {"task": ""}, SIGNATURE | {"args": {}}, SIGNATURE | {"kwargs": []}, [], None],
        ),
        (is_signatures, [[], [SIGNATURE]], [SIGNATURE, [5], [SIGNATURE, {}], None]),
    ],
)
def test_a_field_is_what_it_may_be(rule: Any, good: list[object], bad: list[object]) -> None:
    assert [value for value in good if not rule(value)] == []
    assert [value for value in bad if rule(value)] == []


@pytest.mark.parametrize(
    ("kind", "kwargs"),
    [
        ("group", {"tasks": [SIGNATURE]}),
        ("chain", {"tasks": [SIGNATURE]}),
        ("chord", {"header": [SIGNATURE], "body": SIGNATURE}),
        ("chord", {"header": SIGNATURE, "body": SIGNATURE}),
        ("xmap", {"task": SIGNATURE, "it": []}),
        ("xstarmap", {"task": "name", "it": []}),
        ("chunks", {"task": SIGNATURE, "it": []}),
    ],
)
def test_tasks_of_several_are_signatures_in_each_part(kind: str, kwargs: dict[str, Any]) -> None:
    whole = SIGNATURE | {"subtask_type": kind}
    assert is_signature(whole | {"kwargs": kwargs})
    for name in kwargs:
        assert not is_signature(whole | {"kwargs": kwargs | {name: 5}})
        assert not is_signature(whole | {"kwargs": {one: kwargs[one] for one in kwargs if one != name}})


@pytest.mark.parametrize(
    ("name", "good", "bad"),
    [
        *((name, "x", [1]) for name in ("task_id", "group_id", "root_id", "parent_id", "reply_to", "shadow")),
        *((name, "x", 5) for name in ("queue", "exchange", "routing_key", "serializer", "compression")),
        *((name, [SIGNATURE], SIGNATURE) for name in ("link", "link_error", "chain")),
        *((name, 5, "soon") for name in ("eta", "expires", "countdown")),
        *((name, 5, 5.5) for name in ("retries", "group_index", "priority")),
        *((name, True, 1) for name in ("ignore_result", "immutable")),
        *((name, {}, []) for name in ("headers", "stamps")),
        ("chord", SIGNATURE, [SIGNATURE]),
        ("mine", {"any": "thing"}, None),
    ],
)
def test_an_option_of_what_follows_is_what_celery_takes(name: str, good: object, bad: object) -> None:
    assert is_signature(SIGNATURE | {"options": {name: good}})
    assert is_signature(SIGNATURE | {"options": {name: None}})
    assert bad is None or not is_signature(SIGNATURE | {"options": {name: bad}})


def test_a_message_is_as_large_as_it_may_be_and_no_larger() -> None:
    raw = envelope(call())
    assert isinstance(open_message(raw, len(raw)), Parts)
    with pytest.raises(Junk, match="larger than"):
        open_message(raw, len(raw) - 1)


def test_json_has_a_hundred_levels_and_no_more() -> None:
    assert read_json(b"[" * 100 + b"]" * 100, "it")
    for deep in (b"[" * 101 + b"]" * 101, b'{"a":' * 101 + b"1" + b"}" * 101):
        with pytest.raises(Junk, match="nested too deep"):
            read_json(deep, "it")
    assert read_json(b"[" + b"[]," * 500 + b"1]", "it")


def test_json_has_a_quarter_of_a_million_values_and_commas_in_texts_are_none() -> None:
    assert len(read_json(b"[" + b"1," * 249_998 + b"1]", "it")) == 249_999
    with pytest.raises(Junk, match="it has more than 250000 values"):
        read_json(b"[" + b"1," * 250_000 + b"1]", "it")
    assert read_json(json.dumps([',[{"' * 300_000, "\\" * 3]).encode(), "it")
    with pytest.raises(Junk, match="values"):
        read_json(b"[" + b'"",' * 500_001 + b"1]", "it")
    with pytest.raises(Junk, match="values"):
        read_json(json.dumps(['",\\'] + [1] * 260_000).encode(), "it")


PACKED = {
    "application/x-gzip": zlib.compress,
    "gzip": zlib.compress,
    "zlib": zlib.compress,
    "bzip2": bz2.compress,
    "application/x-bz2": bz2.compress,
    "lzma": lzma.compress,
    "xz": lzma.compress,
}


@pytest.mark.parametrize(("method", "pack"), PACKED.items(), ids=PACKED)
def test_a_body_is_unpacked_up_to_its_bound(method: str, pack: Any) -> None:
    content = b"x" * 1000
    assert decompress(pack(content), method, 1000) == content
    for most in (999, 10):
        with pytest.raises(Junk, match="its body is larger than"):
            decompress(pack(content), method, most)
    for damaged in (pack(content)[:-5], b"junk", b""):
        with pytest.raises(Junk, match="compressed and damaged"):
            decompress(damaged, method, 1000)


@pytest.mark.parametrize(("method", "pack"), PACKED.items(), ids=PACKED)
def test_a_body_that_expands_to_megabytes_takes_no_memory_for_them(method: str, pack: Any) -> None:
    bomb = pack(bytes(16 << 20))
    tracemalloc.start()
    with pytest.raises(Junk, match="its body is larger than"):
        decompress(bomb, method, 1000)
    _, peak_bytes = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    # Of this, lzma's dictionary takes 8 MiB.
    assert peak_bytes < 12 << 20


@pytest.mark.parametrize("method", ["rot13", "zstd", 5, [1]])
def test_a_body_that_is_packed_otherwise_is_not_read(method: object) -> None:
    with pytest.raises(Junk, match="in a way that is not read"):
        decompress(b"x", method, 1000)


@pytest.mark.parametrize("method", [None, ""])
def test_a_body_that_is_not_packed_has_a_bound_too(method: object) -> None:
    assert decompress(b"x" * 10, method, 10) == b"x" * 10
    with pytest.raises(Junk, match="its body is larger than"):
        decompress(b"x" * 11, method, 10)


def test_what_takes_lzma_more_memory_than_there_is_for_it_is_not_unpacked() -> None:
    small = lzma.compress(b"x" * 10, format=lzma.FORMAT_ALONE)
    # The size of the dictionary is in the stream itself, after its first byte.
    for mib, fits in ((64, True), (256, False)):
        stream = small[:1] + (mib << 20).to_bytes(4, "little") + small[5:]
        if fits:
            assert decompress(stream, "lzma", 1000) == b"x" * 10
        else:
            with pytest.raises(Junk, match="damaged"):
                decompress(stream, "lzma", 1000)


def test_kombu_unpacks_no_more_either(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kombus, "_decoders", dict(vars(kombus)["_decoders"]))
    bound_kombus(1000)
    packed = zlib.compress(b"x" * 1001)
    for method in kombus.encoders():
        with pytest.raises(Junk):
            kombus.decompress(packed, method)
    assert kombus.decompress(zlib.compress(b"x" * 1000), "application/x-gzip") == b"x" * 1000
