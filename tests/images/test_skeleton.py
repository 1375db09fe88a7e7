from __future__ import annotations

from sandbox.images.skeleton import skeleton

ENTRIES = {entry.path: entry for entry in skeleton()}


def test_the_places_that_everybody_may_write_to_are_sticky_and_roots_home_is_closed() -> None:
    special = {path: entry.mode for path, entry in ENTRIES.items() if entry.kind == "directory"}
    assert {path: mode for path, mode in special.items() if mode != 0o755} == {
        "root": 0o700,
        "tmp": 0o1777,
        "var/tmp": 0o1777,
    }
    assert {"dev", "proc", "sys", "workspace", "usr/bin", "usr/lib64", "var/lib"} <= special.keys()


def test_programs_and_libraries_are_found_by_their_old_names() -> None:
    links = {path: entry.target for path, entry in ENTRIES.items() if entry.kind == "symlink"}
    assert links == {
        "bin": "usr/bin",
        "lib": "usr/lib",
        "lib64": "usr/lib64",
        "sbin": "usr/sbin",
        "var/run": "/run",
    }


def test_there_are_root_and_nobody() -> None:
    files = {}
    for path, entry in ENTRIES.items():
        if entry.kind == "file":
            assert entry.content is not None
            files[path] = entry.content.read().decode()
            assert (entry.size, entry.mode) == (len(files[path]), 0o644)
    assert files["etc/passwd"].splitlines() == [
        "root:x:0:0:root:/root:/bin/sh",
        "nobody:x:65534:65534:nobody:/workspace:/bin/sh",
    ]
    assert files["etc/group"].splitlines() == ["root:x:0:", "nogroup:x:65534:"]
    assert files["etc/nsswitch.conf"].splitlines() == [
        "passwd: files",
        "group: files",
        "hosts: files myhostname dns",
    ]
