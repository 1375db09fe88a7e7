from __future__ import annotations

import pytest

from sandbox.errors import ImageBuildFailed
from sandbox.images.fields import Fields

READ = {
    "text": lambda fields: fields.text("key", "a+"),
    "texts": lambda fields: fields.texts("key", "a+"),
    "mapping": lambda fields: fields.mapping("key", "a+", "b+"),
    "choices": lambda fields: fields.choices("key"),
    "tables": lambda fields: fields.tables("key"),
}


def test_each_kind_of_value_is_read() -> None:
    table = {
        "t": "aa",
        "l": ["a", "aa"],
        "m": {"a": "b"},
        "c": ["g++", ["jdk-21", "jdk-17"]],
        "s": [{"k": "v"}],
    }
    fields = Fields(table, "it")
    assert fields.text("t", "a+") == "aa"
    assert fields.texts("l", "a+") == ("a", "aa")
    assert fields.mapping("m", "a+", "b+") == {"a": "b"}
    assert fields.choices("c") == (("g++",), ("jdk-21", "jdk-17"))
    assert [inner.text("k") for inner in fields.tables("s")] == ["v"]


@pytest.mark.parametrize("kind", ["texts", "mapping", "choices", "tables"])
def test_a_key_that_is_missing_is_an_empty_one(kind: str) -> None:
    assert not READ[kind](Fields({}, "it"))


@pytest.mark.parametrize(
    ("kind", "value", "wanted"),
    [
        ("text", None, "a string like 'a\\+'"),
        ("text", "ab", "a string like 'a\\+'"),
        ("text", 1, "a string"),
        ("texts", "a", "a list of strings like 'a\\+'"),
        ("texts", ["a", "b"], "a list of strings"),
        ("texts", [1], "a list of strings"),
        ("mapping", [], "a table of 'a\\+' = 'b\\+'"),
        ("mapping", {"b": "b"}, "a table"),
        ("mapping", {"a": "a"}, "a table"),
        ("choices", "g++", "a list of package names, or of lists of alternatives"),
        ("choices", [[]], "a list of package names"),
        ("choices", ["UPPER"], "a list of package names"),
        ("choices", [["g++", 1]], "a list of package names"),
        ("tables", {}, "an array of tables"),
        ("tables", ["x"], "an array of tables"),
    ],
)
def test_a_value_of_another_kind_is_refused_by_its_place_and_key(
    kind: str, value: object, wanted: str
) -> None:
    with pytest.raises(ImageBuildFailed, match=f"^it: key is .*; it must be {wanted}"):
        READ[kind](Fields({"key": value}, "it"))


def test_a_key_that_nobody_knows_is_named_with_those_that_are() -> None:
    with pytest.raises(ImageBuildFailed, match=r"^it has the unknown key 'b'; known are a, c\.$"):
        Fields({"a": 1, "b": 2}, "it").only(("c", "a"))
    Fields({"a": 1}, "it").only(("c", "a"))


def test_a_table_within_says_where_it_is() -> None:
    (inner,) = Fields({"sources": [{}]}, "the recipe").tables("sources")
    with pytest.raises(ImageBuildFailed, match=r"^the recipe \[\[sources\]\]: client is None"):
        inner.text("client")
