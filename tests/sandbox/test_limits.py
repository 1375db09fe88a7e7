"""What a job may ask for."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from config import load_settings
from config.runtimes import RuntimeLimits
from sandbox import InvalidJob
from sandbox.limits import LIMIT_NAMES, resolve_compile_limits, resolve_limits

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
