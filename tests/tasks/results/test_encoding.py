"""How results are encoded as JSON."""

from __future__ import annotations

import json
from typing import Any

import pytest
from celery import signals
from hypothesis import given
from hypothesis import strategies as st
from kombu.serialization import SerializerRegistry, loads

import tasks.lifecycle  # noqa: F401  it connects the receivers
from tasks.results import encoding as module
from tasks.results.encoding import encode

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(st.characters()),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
)


@given(json_values)
def test_the_pieces_make_the_same_json(value: object) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "_LONG", 2)
        patch.setattr(module, "_PIECE", 3)
        encoded = encode(value)
    assert json.loads(encoded) == value


@given(st.text(st.characters(min_codepoint=0x80, exclude_categories=["Cs"]), min_size=3))
def test_a_text_takes_what_it_takes_in_utf8(text: str) -> None:
    assert len(str(encode(text)).encode()) == len(text.encode()) + 2


def test_a_long_output_is_written_as_bytes_and_a_short_one_as_text() -> None:
    assert isinstance(encode({"result": {"stdout": "x" * (2 << 20)}}), bytearray)
    assert isinstance(encode({"result": {"stdout": "x"}, "attempt": 1}), str)


def test_what_utf8_cannot_carry_is_an_escape_and_the_rest_is_not() -> None:
    assert encode("é") == '"é"'
    assert encode("\ud800é") == '"\\ud800\\u00e9"'


def test_a_text_is_long_beyond_a_mebibyte_and_is_written_in_pieces_of_64_kib() -> None:
    assert isinstance(encode("x" * (1 << 20)), str)
    value = {"a": 1, "b": "x" * ((1 << 20) + 1), "c": {"d": "y"}}
    assert isinstance(encode(value), bytearray)
    lengths = [len(piece) for piece in module._pieces(value["b"])]
    assert lengths == [1, *[64 << 10] * 16, 1, 1]
    assert json.loads(encode(value)) == value


def test_every_process_of_a_worker_writes_so(monkeypatch: pytest.MonkeyPatch) -> None:
    registry: Any = SerializerRegistry()
    monkeypatch.setattr(module, "register", registry.register)
    module.encode_in_pieces()
    kind, _, text = registry.dumps({"a": "é"}, "json")
    assert (kind, text) == ("application/json", '{"a": "é"}')
    long = {"a": "é" * (2 << 20)}
    kind, encoding, written = registry.dumps(long, "json")
    assert isinstance(written, bytearray)
    # An app without cellblock reads it like this.
    assert loads(bytes(written), kind, encoding, accept={kind}) == long
    assert {signals.worker_init, signals.worker_process_init} == {
        one for one in (signals.worker_init, signals.worker_process_init) if _hears(one)
    }


def _hears(signal: Any) -> bool:
    return module.encode_in_pieces in signal._live_receivers(None)
