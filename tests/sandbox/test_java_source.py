"""What a Java file declares, whatever its comments and strings say, and however it is written."""

from __future__ import annotations

import time

import pytest

from sandbox.java_source import JavaSource, read_java

MAIN = "public static void main(String[] args) { }"


@pytest.mark.parametrize(
    ("text", "declared"),
    [
        ("", JavaSource("", None, None)),
        (f"package a.b;\npublic final class C {{ {MAIN} }}", JavaSource("a.b", "C", "C")),
        (f"class A {{ }} class B {{ {MAIN} }} class C {{ }}", JavaSource("", None, "B")),
        (f"public class A {{ class Inner {{ }} {MAIN} }}", JavaSource("", "A", "A")),
        (f"record Pair(int a) {{ }} interface I {{ {MAIN} }}", JavaSource("", None, "I")),
        ("class A { static final void main(String... a) { } }", JavaSource("", None, "A")),
        ("class A { void main() { } }", JavaSource("", None, None)),
        (f"// class X {{ {MAIN} }}\nclass A {{ }}", JavaSource("", None, None)),
        (f'/* package q; */ class A {{ String s = "}} class X {{"; {MAIN} }}', JavaSource("", None, "A")),
    ],
)
def test_the_declarations_of_a_file_are_read(text: str, declared: JavaSource) -> None:
    assert read_java(text.encode()) == declared


def test_the_class_to_start_has_its_package_in_its_name() -> None:
    assert read_java(f"package a.b; class C {{ {MAIN} }}".encode()).main_class == "a.b.C"


@pytest.mark.parametrize(
    "piece",
    ["public ", "/*", '"\\"', "static ", "{", "\n", "class A ", "'\\'", '"""', "package a", "static\n"],
)
def test_no_text_takes_long_to_read(piece: str) -> None:
    began = time.process_time()
    read_java((piece * (1 << 20))[: 1 << 20].encode())
    assert time.process_time() - began < 2
