"""The comparison of what all cells may use together with what the host has."""

from __future__ import annotations

import pytest

from config import load_settings
from sandbox.budget import Host, jobs_that_fit, most_jobs, overcommitments, this_host

SMALL = Host(memory_bytes=8 << 30, processes=32_768, files=400_000_000)


@pytest.mark.parametrize(("autoscale", "jobs"), [("8,2", 8), (None, 3)])
def test_the_largest_pool_counts(autoscale: str | None, jobs: int) -> None:
    assert most_jobs(load_settings(concurrency=3, autoscale=autoscale)) == jobs


def test_what_fits_is_no_matter() -> None:
    assert overcommitments(load_settings(concurrency=4), SMALL) == []


def test_defaults_that_do_not_fit_together_are_told_with_the_figures() -> None:
    (sentence,) = overcommitments(load_settings(concurrency=20), SMALL)
    assert "20 jobs" in sentence
    assert "by default take 10 GiB of memory, more than the host's 8 GiB" in sentence


@pytest.mark.parametrize(
    ("host", "found"),
    [
        (Host(4 << 30, 2048, 2048 * 1024), 0),
        (Host((4 << 30) - 1, 2048, 2048 * 1024), 1),
        (Host(4 << 30, 2047, 2048 * 1024), 1),
        (Host(4 << 30, 2048, 2048 * 1024 - 1), 1),
    ],
    ids=["all of it", "memory", "processes", "files"],
)
def test_all_that_there_is_may_be_taken_and_no_more(host: Host, found: int) -> None:
    assert len(overcommitments(load_settings(concurrency=2), host)) == found


def test_maxima_that_do_not_fit_together_are_told_too() -> None:
    (sentence,) = overcommitments(load_settings(concurrency=5), SMALL)
    assert "may ask for take 10 GiB" in sentence


def test_processes_are_counted() -> None:
    (sentence,) = overcommitments(load_settings(concurrency=2, max_pids=20_000), SMALL)
    assert sentence == "2 jobs may have 40000 processes, more than the host's 32768."


def test_open_files_are_counted() -> None:
    few = Host(memory_bytes=8 << 30, processes=32_768, files=400_000)
    (sentence,) = overcommitments(load_settings(concurrency=2), few)
    assert sentence == "2 jobs may open 2097152 files, more than the host's 400000 (fs.file-max)."


@pytest.mark.parametrize(
    ("limits", "jobs"),
    [
        ({}, 16),
        ({"docker_memory_limit": "1g"}, 8),
        ({"pids": 4096, "max_pids": 4096}, 8),
        ({"docker_memory_limit": "9g", "max_memory": "9g"}, 1),
    ],
)
def test_as_many_jobs_fit_as_memory_and_processes_hold(limits: dict[str, object], jobs: int) -> None:
    assert jobs_that_fit(load_settings(**limits), SMALL) == jobs


def test_this_host_has_memory_and_processes() -> None:
    assert min(this_host().memory_bytes, this_host().processes) > 0
