"""The filter that crun has compiled for one cell, in the next ones."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any

import pytest

from config import load_settings
from sandbox import EngineFailed, Sandbox
from sandbox.engines.oci.seccomp_filter import SeccompFilter

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

CONFIG: dict[str, Any] = {"linux": {"seccomp": {"defaultAction": "SCMP_ACT_ERRNO", "syscalls": []}}}


@pytest.fixture
def learnt(tmp_path: Path) -> SeccompFilter:
    (tmp_path / "seccomp.bpf").write_bytes(b"compiled")
    known = SeccompFilter()
    known.learn(CONFIG, "crun", tmp_path)
    return known


def test_a_list_that_was_compiled_before_is_given_to_crun_as_it_was_compiled(learnt: SeccompFilter) -> None:
    given = learnt.put_into(CONFIG, "crun")["annotations"]["run.oci.seccomp_bpf_data"]
    assert base64.b64decode(given) == b"compiled"


def test_a_crun_that_does_not_know_the_annotation_allows_nothing(learnt: SeccompFilter) -> None:
    assert learnt.put_into(CONFIG, "crun")["linux"]["seccomp"] == {"defaultAction": "SCMP_ACT_KILL_PROCESS"}


def test_another_list_and_another_crun_are_compiled_anew(learnt: SeccompFilter) -> None:
    other = {"linux": {"seccomp": dict(CONFIG["linux"]["seccomp"])}}
    assert learnt.put_into(other, "crun") is other
    assert learnt.put_into(CONFIG, "a newer crun") is CONFIG


def test_a_crun_that_leaves_no_filter_gets_the_list_each_time(tmp_path: Path) -> None:
    known = SeccompFilter()
    known.learn(CONFIG, "crun", tmp_path)
    assert known.put_into(CONFIG, "crun") is CONFIG


def test_a_crun_that_uses_the_filter_is_given_it_for_good(learnt: SeccompFilter, tmp_path: Path) -> None:
    learnt.learn(learnt.put_into(CONFIG, "crun"), "crun", tmp_path)
    (tmp_path / "seccomp.bpf").write_bytes(b"looked at no more")
    learnt.learn(learnt.put_into(CONFIG, "crun"), "crun", tmp_path)
    assert "annotations" in learnt.put_into(CONFIG, "crun")


def test_a_crun_that_does_not_use_the_filter_gets_the_list_from_then_on(
    learnt: SeccompFilter, tmp_path: Path
) -> None:
    given = learnt.put_into(CONFIG, "crun")
    (tmp_path / "seccomp.bpf").write_bytes(b"compiled from the list that allows nothing")
    for config in (given, CONFIG):
        learnt.learn(config, "crun", tmp_path)
    assert learnt.put_into(CONFIG, "crun") is CONFIG


@pytest.fixture
def crun(oci_settings: dict[str, Any]) -> Iterator[Sandbox]:
    with Sandbox(load_settings(**oci_settings, oci_runtime="crun")) as box:
        yield box


def test_the_second_cell_of_crun_is_filtered_like_the_first(crun: Sandbox) -> None:
    script = "grep Seccomp /proc/self/status; unshare -U true 2>&1"
    said = [crun.run(script, "bash").stdout for _ in range(2)]
    assert said[0].split()[:4] == ["Seccomp:", "2", "Seccomp_filters:", "1"]
    assert said[0] == said[1]


def test_a_second_cell_does_not_start_without_its_filter(
    crun: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As with a crun that does not know the annotation."""
    crun.run("true", "bash")
    put_into = SeccompFilter.put_into

    def without(self: SeccompFilter, config: dict[str, Any], program: str) -> dict[str, Any]:
        return {key: value for key, value in put_into(self, config, program).items() if key != "annotations"}

    monkeypatch.setattr(SeccompFilter, "put_into", without)
    with pytest.raises(EngineFailed):
        crun.run("true", "bash")
