"""The guard lets a create call through only if every name and value in it is one of the profile."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable, Iterator
from copy import deepcopy
from dataclasses import replace
from typing import Any

import docker
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from config import Settings, load_catalogue
from sandbox.engines.docker.client import docker_address
from sandbox.engines.docker.guard.call import Refused, parse_json
from sandbox.engines.docker.guard.cells import GuardedCells
from sandbox.engines.docker.guard.engine import GuardedEngine
from sandbox.engines.docker.guard.images import GuardedImages
from sandbox.engines.docker.guard.owned import Owned
from sandbox.labels import LIMITS
from sandbox.limits import resolve_limits
from tests.conftest import OWNER, unavailable
from tests.sandbox.engines.docker.guard.bodies import cell_body, every_body
from tests.sandbox.engines.docker.guard.guard import NAME, Guard

pytestmark = pytest.mark.engine

KINDS = ("cell", "cell with a network", "relay", "proxy")
#: The parts that may hold any text: the environment, and the labels that say whose job it is.
FREE = [
    ("Env",),
    *(("Labels", f"cellblock.{name}") for name in ("task", "worker", "state", "process", "deadline")),
]
VALUES = [
    None,
    True,
    False,
    0,
    -1,
    1 << 40,
    "",
    "0:0",
    "host",
    "/",
    [],
    ["/:/host"],
    {},
    {"Privileged": True},
    0.5,
]

Judged = Callable[[str], dict[str, Any]]


@pytest.fixture(scope="module")
def calls_settings(guarded_settings: Settings) -> Settings:
    """Settings of a separate deployment. Its cells are not removed between tests."""
    return guarded_settings.model_copy(update={"owner": f"{OWNER}-calls", "docker_host": None})


@pytest.fixture(scope="module")
def own(engine: docker.APIClient, calls_settings: Settings) -> Iterator[str]:
    """The name of an existing cell of this deployment."""
    body = cell_body(engine, calls_settings)
    engine.create_container_from_config(body, NAME)  # type: ignore[no-untyped-call]
    yield NAME
    engine.remove_container(NAME, force=True)


@pytest.fixture(scope="module")
def bodies(engine: docker.APIClient, calls_settings: Settings, own: str) -> dict[str, dict[str, Any]]:
    try:
        return every_body(engine, calls_settings, own)
    except AssertionError as error:
        unavailable(str(error))
        raise


@pytest.fixture(scope="module")
def judged(calls_settings: Settings, engine: docker.APIClient) -> Iterator[Judged]:
    """A function that returns the create call which the guard would send to the engine for a body."""
    asked = GuardedEngine(docker_address(calls_settings), 20)
    owned = Owned(asked, calls_settings.owner)
    cells = GuardedCells(calls_settings, GuardedImages(asked, load_catalogue()), owned)
    with asyncio.Runner() as runner:
        yield lambda text: runner.run(cells.made_anew(parse_json(text)))
        runner.run(asked.close())


@pytest.mark.parametrize("kind", KINDS)
def test_the_products_own_calls_pass_as_they_are(
    judged: Judged, bodies: dict[str, dict[str, Any]], own: str, engine: docker.APIClient, kind: str
) -> None:
    by_id = json.dumps(bodies[kind]).replace(
        f"container:{own}", f"container:{engine.inspect_container(own)['Id']}"
    )
    assert judged(json.dumps(bodies[kind])) == json.loads(by_id)


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_a_call_with_anything_changed_added_left_out_or_written_otherwise_is_refused(
    judged: Judged, bodies: dict[str, dict[str, Any]], kind: str, data: st.DataObject
) -> None:
    body = deepcopy(bodies[kind])
    path = data.draw(st.sampled_from(list(_paths(body))), label="path")
    how = data.draw(st.sampled_from([_change, _add, _leave_out, _other_case, _twice]), label="how")
    text = how(body, path, data)
    with pytest.raises(Refused):
        judged(text)


def _paths(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The path to each entry in the value, except to the entries that may vary."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in items:
        if (*path, key) not in FREE:
            yield (*path, key)
            yield from _paths(inner, (*path, key))


def _parent(body: Any, path: tuple[Any, ...]) -> Any:
    for key in path[:-1]:
        body = body[key]
    return body


def _change(body: Any, path: tuple[Any, ...], data: st.DataObject) -> str:
    parent = _parent(body, path)
    value = data.draw(st.sampled_from(VALUES) | st.text(max_size=8) | st.integers(), label="value")
    assume(value != parent[path[-1]])
    parent[path[-1]] = value
    return json.dumps(body)


def _add(body: Any, path: tuple[Any, ...], data: st.DataObject) -> str:
    parent = _parent(body, path)
    value = data.draw(st.sampled_from(VALUES), label="value")
    if isinstance(parent, list):
        parent.insert(path[-1], value)
    else:
        name = data.draw(
            st.sampled_from(
                ["Privileged", "Binds", "binds", "CapAdd", "Mounts", "PidMode", "Volumes", "x", ""]
            )
            | st.text(max_size=5),
            label="name",
        )
        assume(name not in parent)
        parent[name] = value
    return json.dumps(body)


def _leave_out(body: Any, path: tuple[Any, ...], data: st.DataObject) -> str:
    del _parent(body, path)[path[-1]]
    return json.dumps(body)


def _other_case(body: Any, path: tuple[Any, ...], data: st.DataObject) -> str:
    """The name in the other case. Go's parser accepts a name in any case of letters."""
    parent, name = _parent(body, path), path[-1]
    assume(isinstance(name, str) and name.swapcase() != name)
    parent[name.swapcase()] = parent.pop(name)
    return json.dumps(body)


def _twice(body: Any, path: tuple[Any, ...], data: st.DataObject) -> str:
    """The same name a second time, with the same value or another one, with an escape or without."""
    parent, name = _parent(body, path), path[-1]
    assume(isinstance(name, str) and name)
    value = data.draw(st.sampled_from([*VALUES, parent[name]]), label="value")
    parent["second"] = value
    written = data.draw(
        st.sampled_from([json.dumps(name), f'"\\u{ord(name[0]):04x}{name[1:]}"']), label="written"
    )
    return json.dumps(body).replace('"second"', written)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("memory_bytes", 1 << 40),
        ("memory_bytes", -1),
        ("memory_bytes", 0),
        ("cpus", 64.0),
        ("pids", 100_000),
        ("pids", -1),
        ("disk_bytes", 1 << 40),
        ("timeout_s", 1e9),
        ("timeout_s", float("inf")),
        ("grace_s", 1e6),
        ("memory_bytes", True),
        ("pids", "128"),
    ],
)
def test_a_cell_beyond_the_operators_maxima_is_refused(
    judged: Judged, engine: docker.APIClient, calls_settings: Settings, field: str, value: Any
) -> None:
    """The body is exactly what the profile gives for these limits. The guard refuses it nevertheless."""
    usual = resolve_limits({}, load_catalogue()["bash"].limits, calls_settings)
    more = replace(usual, **{field: value})
    try:
        body = cell_body(engine, calls_settings, limits=more)
    except (OverflowError, TypeError):
        body = cell_body(engine, calls_settings)
        body["Labels"][LIMITS] = more.text
    with pytest.raises(Refused):
        judged(json.dumps(body))


@pytest.mark.parametrize(
    "labels",
    [
        {"cellblock.owner": "somebody"},
        {"cellblock.deadline": "inf"},
        {"cellblock.deadline": "nan"},
        {"cellblock.deadline": ""},
        {"cellblock.runtime": "python"},
        {"cellblock.runtime": "../bash"},
        {"com.docker.compose.project": "cellblock"},
        {"cellblock.task": "x" * 4097},
        {"cellblock.task": None},
        {"cellblock.task": "\ud800"},
        {LIMITS: "{}"},
        {LIMITS: "[" * 100_000},
        {LIMITS: "1" * 10_000},
    ],
    ids=lambda labels: json.dumps(labels)[:60],
)
def test_labels_that_no_worker_writes_are_refused(
    judged: Judged, engine: docker.APIClient, calls_settings: Settings, labels: dict[str, Any]
) -> None:
    body = cell_body(engine, calls_settings)
    body["Labels"] |= labels
    with pytest.raises(Refused):
        judged(json.dumps(body))


def test_a_label_may_be_of_any_text_up_to_4096_characters(
    judged: Judged, engine: docker.APIClient, calls_settings: Settings
) -> None:
    body = cell_body(engine, calls_settings)
    body["Labels"]["cellblock.task"] = "é" * 4096
    judged(json.dumps(body))


def test_a_deadline_months_from_now_is_refused(
    judged: Judged, engine: docker.APIClient, calls_settings: Settings
) -> None:
    body = cell_body(engine, calls_settings)
    body["Labels"]["cellblock.deadline"] = f"{time.time() + 1e7:.0f}"
    with pytest.raises(Refused, match="too far away"):
        judged(json.dumps(body))


RULES: dict[str, Callable[[str], Any]] = {
    "another host": lambda rules: rules.replace("api.example.com", "evil.org"),
    "another port": lambda rules: rules.replace("port 443", "port 22"),
    "all hosts": lambda rules: rules.replace("http_access deny all", "http_access allow all"),
    "a program": lambda rules: rules + "url_rewrite_program /bin/sh\n",
    "a private address": lambda rules: rules.replace("10.0.0.0/8 ", ""),
    "no rules": lambda _: "",
    "null": lambda _: None,
    "a list": lambda _: ["x"],
}


@pytest.mark.parametrize("rules", RULES.values(), ids=list(RULES))
def test_a_proxy_for_anything_but_hosts_that_the_operator_allows_is_refused(
    judged: Judged, bodies: dict[str, dict[str, Any]], rules: Callable[[str], Any]
) -> None:
    body = deepcopy(bodies["proxy"])
    body["Entrypoint"][-1] = rules(body["Entrypoint"][-1])
    with pytest.raises(Refused):
        judged(json.dumps(body))


def test_a_relay_joins_no_container_of_somebody_else(
    judged: Judged, bodies: dict[str, dict[str, Any]], engine: docker.APIClient
) -> None:
    theirs = engine.create_container("cellblock/bash:local", ["true"])["Id"]
    try:
        for key in ("NetworkMode", "IpcMode"):
            body = deepcopy(bodies["relay"])
            body["HostConfig"][key] = f"container:{theirs}"
            with pytest.raises(Refused):
                judged(json.dumps(body))
    finally:
        engine.remove_container(theirs)


@pytest.mark.parametrize(
    "text",
    [
        " ",
        "{",
        "[]",
        "null",
        '"x"',
        "{}{}",
        '{"a": NaN}',
        '{"a": 1, "a": 1}',
        '{"a": {"b": 1, "\\u0062": 1}}',
        "[" * 100_000,
        '{"a": ' + "1" * 5000 + "}",
        "\ufeff{}",
        "{'a': 1}",
    ],
    ids=lambda text: text[:20],
)
def test_what_two_parsers_could_read_differently_is_refused(judged: Judged, text: str) -> None:
    with pytest.raises(Refused):
        judged(text)


def test_a_refusal_does_not_repeat_what_was_sent(
    guard: Guard, engine: docker.APIClient, guarded_settings: Settings
) -> None:
    body = cell_body(engine, guarded_settings) | {"\x1b[31mred": 1}
    answer = guard.answer("POST", f"/v1.41/containers/create?name={NAME}", json.dumps(body))
    assert (answer.status_code, "red" in answer.text) == (403, False)
    assert "a name in the body" in answer.json()["message"]
