"""The order of the receivers of each of Celery's signals, and which module may connect them."""

from __future__ import annotations

import ast
import json
import logging
import os
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
from celery import signals

from tasks import lifecycle, run_sandboxed
from tests.programs import ROOT, free_port

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

LIFECYCLE = ROOT / "tasks/lifecycle.py"

ORDER = {
    "celeryd_init": [
        "refuse_pool",
        "note_name",
        "serve_metrics",
        "filter_connection_lines",
        "become_worker",
        "check_traces",
    ],
    "worker_init": [
        "take_messages_safely",
        "send_events_in_batches",
        "store_patiently",
        "use_our_pool",
        "encode_in_pieces",
    ],
    "after_setup_logger": ["format_lines"],
    "after_setup_task_logger": ["format_lines", "leave_out_celerys_end"],
    "celeryd_after_setup": [
        "start_keeper",
        "introduce_worker",
        "warn_of_threads",
        "warn_of_no_live_output",
        "warn_of_broker",
        "begin_traces_without_children",
    ],
    "worker_ready": ["watch_keeper", "drain_at_sigquit"],
    "worker_process_init": [
        "open_sandbox",
        "leave_metrics",
        "log_outages_once",
        "begin_traces",
        "encode_in_pieces",
    ],
    "task_prerun": ["begin_log_context"],
    "task_success": ["log_result"],
    "task_postrun": ["end_log_context", "end_attempt"],
    "worker_shutting_down": ["bound_shutdown"],
    "worker_process_shutdown": ["close_sandbox", "end_traces"],
    "worker_shutdown": ["close_sandbox", "stop_keeper", "close_metrics", "remove_health_file", "end_traces"],
}
#: The order with CELLBLOCK_METRICS_PORT and CELLBLOCK_TRACES set. OpenTelemetry's own receivers are left out.
ORDER_OBSERVED = ORDER | {
    "task_prerun": ["begin_log_context", "count_attempt"],
    "task_success": ["log_result", "count_success", "add_laps"],
    "task_retry": ["count_retry"],
    "task_failure": ["count_failure"],
}

CONNECTED = """
import json, os, tasks
from types import SimpleNamespace
from celery import signals
tasks.app.loader.import_default_modules()
from tasks import lifecycle
lifecycle.serve_metrics(SimpleNamespace())
lifecycle.begin_traces("w@h")
ours = {}
for name in signals.__all__:
    receivers = getattr(signals, name)._live_receivers(None)
    ours[name] = [one.__name__ for one in receivers if one.__module__.startswith("tasks.")]
print(json.dumps({name: order for name, order in ours.items() if order}), flush=True)
# The thread that counts has no end.
os._exit(0)
"""


def test_a_worker_begins_with_its_level_of_log_and_tries_a_job_as_often_as_it_may(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    log = logging.getLogger("cellblock")
    monkeypatch.setattr(log, "level", logging.DEBUG)
    monkeypatch.setattr(run_sandboxed, "max_retries", None)
    monkeypatch.setenv("CELLBLOCK_LOG_LEVEL", "ERROR")
    monkeypatch.setenv("CELLBLOCK_MAX_ATTEMPTS", "3")
    lifecycle.introduce_worker()
    assert (log.level, run_sandboxed.max_retries) == (logging.ERROR, 2)


def test_the_receivers_of_a_signal_are_called_in_this_order() -> None:
    assert _connected() == ORDER


def test_the_receivers_of_metrics_and_traces_come_after_those_of_the_log() -> None:
    assert _connected(CELLBLOCK_METRICS_PORT=str(free_port()), CELLBLOCK_TRACES="console") == ORDER_OBSERVED


def _connected(**env: str) -> dict[str, Any]:
    """The names of cellblock's receivers of each signal, read in a new interpreter."""
    command = [sys.executable, "-c", CONNECTED]
    told = subprocess.run(
        command, cwd=ROOT, env=os.environ | env, capture_output=True, text=True, check=True
    ).stdout
    connected: dict[str, Any] = json.loads(told)
    return connected


def test_a_process_of_the_pool_ends_when_one_of_its_threads_dies() -> None:
    program = (
        "from sandbox.threads import start_thread\n"
        "from tasks import lifecycle\n"
        "lifecycle.open_sandbox()\n"
        "start_thread(lambda: 1 / 0, name='doomed').join(30)\n"
    )
    env = os.environ | {"ENABLE_DOCKER": "false"}
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, env=env, check=False, capture_output=True
    )
    assert (done.returncode, b"doomed" in done.stderr) == (70, True)


def test_no_other_module_connects_a_signal() -> None:
    modules = sorted((ROOT / "tasks").rglob("*.py"))
    assert [path for path in modules if any(_signals_used_in(path))] == [LIFECYCLE]


def _signals_used_in(path: Path) -> Iterator[str]:
    """Celery's signals that a module uses, however it imports them."""
    for node in ast.walk(ast.parse(path.read_text())):
        match node:
            case ast.Import(names=names):
                yield from (one.name for one in names if one.name.startswith("celery.signals"))
            case ast.ImportFrom(module="celery.signals"):
                yield "celery.signals"
            case ast.ImportFrom(module="celery", names=names):
                yield from (one.name for one in names if one.name == "signals")
            case ast.Attribute(value=ast.Name("celery"), attr="signals"):
                yield "celery.signals"


def test_each_signal_of_the_table_is_one_of_celerys() -> None:
    assert set(ORDER_OBSERVED) <= set(signals.__all__)
