"""How results are written."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks import result_json
from tasks.result_json import encode

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
)


@given(json_values)
def test_the_pieces_make_the_same_json(value: object) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(result_json, "_LONG", 2)
        patch.setattr(result_json, "_PIECE", 3)
        encoded = encode(value)
    assert (encoded if isinstance(encoded, str) else encoded.decode()) == json.dumps(value)


def test_a_long_output_is_written_as_bytes_and_a_short_one_as_text() -> None:
    assert isinstance(encode({"result": {"stdout": "x" * (2 << 20)}}), bytearray)
    assert isinstance(encode({"result": {"stdout": "x"}}), str)
