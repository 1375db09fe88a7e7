"""The limits that a job may ask for."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from config import InvalidSetting, load_catalogue, load_settings
from config.runtimes import RuntimeLimits
from sandbox import InvalidJob
from sandbox.limits import (
    LIMIT_NAMES,
    check_catalogue,
    read_limits,
    resolve_compile_limits,
    resolve_limits,
)

if TYPE_CHECKING:
    from sandbox import Limits


def resolve(**asked: object) -> Limits:
    return resolve_limits(asked, RuntimeLimits(), load_settings())


def test_a_job_that_asks_for_nothing_gets_the_operators_defaults() -> None:
    limits = resolve()
    assert (limits.timeout_s, limits.grace_s, limits.cpus, limits.pids) == (30, 1, 2, 128)
    assert (limits.memory_bytes, limits.disk_bytes, limits.output_bytes) == (512 << 20, 64 << 20, 1 << 20)


@pytest.mark.parametrize(
    ("name", "asked", "field", "value"),
    [
        ("timeout", 2, "timeout_s", 2.0),
        ("grace", 0, "grace_s", 0.0),
        ("memory", "100m", "memory_bytes", 100 << 20),
        ("memory", 100 << 20, "memory_bytes", 100 << 20),
        ("cpus", 0.5, "cpus", 0.5),
        ("pids", 16, "pids", 16),
        ("disk", "1m", "disk_bytes", 1 << 20),
        ("output_limit", 10, "output_bytes", 10),
    ],
)
def test_what_a_job_asks_for_is_what_it_gets(name: str, asked: object, field: str, value: float) -> None:
    assert getattr(resolve(**{name: asked}), field) == value


@pytest.mark.parametrize(
    ("name", "asked", "maximum"),
    [
        ("timeout", 600.1, "600 s"),
        ("grace", 31, "30 s"),
        ("memory", "3g", "2 GiB"),
        ("cpus", 4.01, "4 cores"),
        ("pids", 1025, "1024"),
        ("disk", "513m", "512 MiB"),
        ("output_limit", "17m", "16 MiB"),
    ],
)
def test_more_than_the_maximum_is_an_error_that_names_it(name: str, asked: object, maximum: str) -> None:
    with pytest.raises(InvalidJob, match=rf"^{name}=.*CELLBLOCK_MAX_{name.upper()}") as caught:
        resolve(**{name: asked})
    assert f"maximum of {maximum} " in str(caught.value)


@pytest.mark.parametrize(
    ("name", "maximum"), [("timeout", 600), ("memory", "2g"), ("cpus", 4), ("disk", "512m")]
)
def test_the_maximum_itself_is_allowed(name: str, maximum: object) -> None:
    assert resolve(**{name: maximum})


@pytest.mark.parametrize(
    ("name", "asked"),
    [
        ("timeout", 0),
        ("timeout", -1),
        ("grace", -0.1),
        ("memory", "1m"),
        ("cpus", 0),
        ("pids", 2),
        ("disk", "1k"),
    ],
)
def test_less_than_a_cell_can_work_with_is_refused(name: str, asked: object) -> None:
    with pytest.raises(InvalidJob, match=f"^{name}=.* below the least possible"):
        resolve(**{name: asked})


@pytest.mark.parametrize(
    ("name", "least"),
    [
        ("timeout", 0.001),
        ("grace", 0),
        ("memory", 16 << 20),
        ("cpus", 0.01),
        ("pids", 4),
        ("disk", 64 << 10),
        ("output_limit", 1),
    ],
)
def test_the_least_possible_itself_is_allowed_and_nothing_below_it(name: str, least: float) -> None:
    assert resolve(**{name: least})
    with pytest.raises(InvalidJob):
        resolve(**{name: least - (0.0005 if isinstance(least, float) else 1)})


@pytest.mark.parametrize("name", LIMIT_NAMES)
@pytest.mark.parametrize("value", [True, float("nan"), float("inf"), "soon", [], {}], ids=repr)
def test_what_is_no_number_is_refused_by_name(name: str, value: object) -> None:
    with pytest.raises(InvalidJob, match=f"^{name}: .* is not a "):
        resolve(**{name: value})


@pytest.mark.parametrize("name", LIMIT_NAMES)
def test_a_number_too_large_to_reckon_with_is_refused(name: str) -> None:
    with pytest.raises(InvalidJob, match=f"^{name}: .* too large"):
        resolve(**{name: 10**400})


def test_a_runtimes_own_default_comes_before_the_operators() -> None:
    limits = resolve_limits({"cpus": 1}, RuntimeLimits(timeout=5, cpus=3), load_settings())
    assert (limits.timeout_s, limits.cpus) == (5, 1)


def test_a_stream_may_carry_64_times_what_is_kept() -> None:
    assert resolve(output_limit=100).flood_bytes == 6400


def resolve_compile(runtime: RuntimeLimits, **settings: object) -> Limits:
    return resolve_compile_limits(runtime, resolve(), load_settings(**settings))


def test_a_compilation_has_the_catalogues_limits_and_else_the_operators() -> None:
    limits = resolve_compile(RuntimeLimits(timeout=5, memory=128 << 20))
    assert (limits.timeout_s, limits.memory_bytes, limits.pids) == (5, 128 << 20, 128)


def test_what_the_catalogue_wishes_ends_at_the_operators_maximum() -> None:
    limits = resolve_compile(RuntimeLimits(timeout=60, pids=256), max_timeout=40, max_pids=200)
    assert (limits.timeout_s, limits.pids) == (40, 200)


def test_a_compilation_has_room_for_the_jobs_files_and_keeps_as_much_of_its_words() -> None:
    job = resolve(disk="200m", output_limit=5)
    limits = resolve_compile_limits(RuntimeLimits(disk=1 << 20), job, load_settings())
    assert (limits.disk_bytes, limits.output_bytes) == (200 << 20, 5)


def test_limits_written_as_text_are_read_as_they_were() -> None:
    limits = resolve(timeout=2.5, pids=7)
    assert read_limits(limits.text, load_settings()) == limits


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"more": 1}, "not the limits"),
        ({"pids": None}, "is not a whole number"),
        ({"pids": 1025}, "pids is not between 4 and 1024"),
        ({"pids": 3}, "pids is not between"),
        ({"timeout_s": 600.5}, "timeout is not between"),
    ],
)
def test_text_that_breaks_a_rule_is_no_limits(change: dict[str, object], why: str) -> None:
    text = json.dumps(json.loads(resolve().text) | change)
    with pytest.raises(ValueError, match=why):
        read_limits(text, load_settings())


@pytest.mark.parametrize("text", ["[]", "{}", "", "1"])
def test_other_text_is_no_limits(text: str) -> None:
    with pytest.raises(ValueError, match=r"not the limits|Expecting value"):
        read_limits(text, load_settings())


def test_the_least_and_the_most_are_read_too() -> None:
    least = resolve(timeout=0.001, grace=0, memory=16 << 20, cpus=0.01, pids=4, disk=64 << 10, output_limit=1)
    most = resolve(timeout=600, grace=30, memory="2g", cpus=4, pids=1024, disk="512m", output_limit="16m")
    for limits in (least, most):
        assert read_limits(limits.text, load_settings()) == limits


def test_a_catalogue_that_wants_more_than_the_operators_own_maximum_is_an_error_at_start() -> None:
    catalogue = load_catalogue()
    wants = catalogue["bash"].model_copy(update={"limits": RuntimeLimits(pids=2000)})
    with pytest.raises(InvalidSetting, match=r"^Runtime catalogue, bash\.limits: pids=2000 is above"):
        check_catalogue(dict(catalogue) | {"bash": wants}, load_settings())
    check_catalogue(catalogue, load_settings())
