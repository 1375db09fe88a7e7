from __future__ import annotations

from sandbox.images.package import Package
from sandbox.images.stanza import Stanza, needed, parse_stanzas


def stanza(name: str, *depends: str, provides: str = "") -> Stanza:
    package = Package(name, "1", "all", name, "ff")
    return Stanza(package, frozenset({name, provides} - {""}), frozenset(depends))


def names(packages: tuple[Package, ...]) -> list[str]:
    return [package.name for package in packages]


def test_what_only_an_excluded_package_needs_goes_with_it() -> None:
    stanzas = [
        stanza("top", "cups", "libc"),
        stanza("cups", "krb5", "libc"),
        stanza("krb5", "cups"),
        stanza("libc"),
    ]
    assert names(needed(stanzas, ["top"], ["cups"], {})) == ["libc", "top"]
    assert names(needed(stanzas, ["top"], [], {})) == ["cups", "krb5", "libc", "top"]


def test_one_package_may_do_without_what_another_one_still_gets() -> None:
    stanzas = [stanza("git", "perl", "libc"), stanza("ack", "perl"), stanza("perl"), stanza("libc")]
    assert names(needed(stanzas, ["git"], [], {"git": ["per*"]})) == ["git", "libc"]
    assert names(needed(stanzas, ["git", "ack"], [], {"git": ["per*"]})) == ["ack", "git", "libc", "perl"]


def test_a_virtual_package_is_followed_to_who_provides_it() -> None:
    stanzas = [stanza("top", "awk"), stanza("mawk", provides="awk")]
    assert names(needed(stanzas, ["top"], [], {})) == ["mawk", "top"]


def test_a_stanza_is_read_with_all_that_it_depends_on() -> None:
    (read,) = parse_stanzas(
        "Package: g++\nSource: gcc (2)\nVersion: 1:2-3\nArchitecture: amd64\nProvides: c++ (= 1), cc\n"
        "Pre-Depends: libc6 (>= 2.14) | libc6.1, sh:any\nDepends: ld\nDescription: c\n d\nSHA256: ff\n"
    )
    assert read.package == Package("g++", "1:2-3", "amd64", "gcc (2)", "ff")
    assert read.package.file == "g++_1%3a2-3_amd64.deb"
    assert read.names == {"g++", "c++", "cc"}
    assert read.depends == {"libc6", "libc6.1", "sh", "ld"}


def test_a_stanza_without_a_hash_is_passed_over() -> None:
    assert not list(parse_stanzas("Package: x\nVersion: 1\nArchitecture: all\n"))
