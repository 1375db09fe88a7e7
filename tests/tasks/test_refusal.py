"""A bad request is refused in the app that makes it. The broker here is unreachable, and is not needed."""

from __future__ import annotations

from typing import Any

import pytest

from sandbox import InvalidJob
from sandbox.request import bind_request
from tasks import run_sandboxed


@pytest.fixture(autouse=True)
def _unreachable_broker(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CELLBLOCK_BROKER_URL", "redis://192.0.2.1:1/0")


@pytest.mark.parametrize(
    ("args", "kwargs", "words"),
    [
        (("true", "cobol"), {}, "There is no runtime 'cobol'"),
        (("true",), {"timeout": 1e9}, "maximum of 600 s .*CELLBLOCK_MAX_TIMEOUT"),
        (("true",), {"memory": "lots"}, "memory: 'lots' is not a size"),
        (("true",), {"files": {"../x": ""}}, "leads outside /workspace"),
        (("true",), {"files": {"a\0": ""}}, "NUL"),
        (("true",), {"timout": 5}, "There is no argument 'timout'"),
        ((), {}, "missing a required argument: 'cmd'"),
        (("true", "bash", 5), {}, "too many positional arguments"),
        (("true",), {"cmd": "true"}, "multiple values for argument 'cmd'"),
        (("true", "bash"), {"runtime": "bash"}, "multiple values for argument 'runtime'"),
    ],
)
def test_a_bad_request_is_refused_in_the_callers_own_process(
    args: tuple[object, ...], kwargs: dict[str, object], words: str
) -> None:
    with pytest.raises(InvalidJob, match=words):
        run_sandboxed.delay(*args, **kwargs)


@pytest.mark.parametrize(
    ("args", "kwargs"), [(None, {"cmd": "true"}), (("true", "bash"), None), (("true", "bash"), [5])]
)
def test_what_is_no_call_at_all_is_refused(args: Any, kwargs: Any) -> None:
    with pytest.raises(InvalidJob):
        bind_request(args, kwargs)


def test_a_signature_is_checked_when_it_is_sent() -> None:
    with pytest.raises(InvalidJob):
        run_sandboxed.s("true", runtime="cobol").apply_async()


def test_the_operators_maxima_hold_for_the_app_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CELLBLOCK_MAX_PIDS", "200")
    with pytest.raises(InvalidJob, match="maximum of 200"):
        run_sandboxed.delay("true", pids=300)


@pytest.mark.parametrize("tenant", ["a b", "x" * 65, "", 5])
def test_a_malformed_tenant_is_refused(tenant: object) -> None:
    with pytest.raises(InvalidJob, match="cellblock_tenant: give 1 to 64"):
        run_sandboxed.apply_async(("true",), headers={"cellblock_tenant": tenant})
