"""How a message becomes a call, and which messages are refused with one sentence."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from tasks.envelope import Call, Dead, Parts, Stray, judge, judge_parts, sealed
from tasks.envelope.body import read_body
from tasks.envelope.fields import clean_headers, clean_properties
from tasks.envelope.parts import Junk
from tests.tasks.hostile_messages import MISSING, TASK, call, envelope

MOST = 1 << 20
SIGNATURE: dict[str, Any] = {"task": "t", "args": [], "kwargs": {}, "options": {}}
PROPERTIES: dict[str, Any] = {"delivery_tag": "tag", "delivery_info": {}}


def parts(**changes: Any) -> Parts:
    about: dict[str, Any] = {
        "headers": {},
        "properties": {},
        "content_type": "application/json",
        "content_encoding": "utf-8",
        "body": json.dumps(call()),
    }
    return Parts(**about | changes)


@pytest.mark.parametrize(
    "changes",
    [
        {"content_encoding": None},
        {"content_encoding": "UTF-8"},
        {"content_encoding": "binary"},
        {"content_type": "Application/JSON ; charset=latin1"},
        {"body": json.dumps(call()).encode()},
        {"body": memoryview(json.dumps(call()).encode())},
        {
            "body": base64.b64encode(json.dumps(call()).encode()).decode(),
            "properties": {"body_encoding": "base64"},
        },
    ],
)
def test_a_body_is_read_in_each_form_that_publishers_give_it(changes: dict[str, Any]) -> None:
    assert read_body(parts(**changes), MOST).payload == call()


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"content_encoding": "latin-1"}, "its content encoding is not utf-8"),
        ({"content_encoding": 5}, "its content encoding is not utf-8"),
        ({"content_type": "application/x-msgpack"}, "its body is msgpack, and only JSON is read"),
        ({"content_type": "text/plain"}, "its body is 'text/plain', and only JSON is read"),
        ({"content_type": None}, "its body is of no content type"),
        ({"body": ""}, "it has no body"),
        ({"body": 5}, "its body is no text"),
        ({"body": "a", "properties": {"body_encoding": "base64"}}, "its body cannot be decoded"),
        ({"body": "\ud800"}, "its body cannot be decoded"),
        ({"body": "x" * (MOST + 1)}, "its body is larger than 1 MiB"),
        ({"body": "[[], {}]"}, "is not .arguments, named arguments, options."),
        ({"body": "[{}, {}, {}]"}, "its arguments are no list"),
        ({"body": "[[], [], {}]"}, "or the named ones no object"),
        ({"body": "[[], {}, []]"}, "the third part of its body is no object"),
        ({"body": '[[], {}, {"x": 1}]'}, "holds more than callbacks, errbacks, chain and chord"),
    ],
)
def test_a_body_that_is_none_is_named_in_a_sentence(changes: dict[str, Any], words: str) -> None:
    with pytest.raises(Junk, match=words):
        read_body(parts(**changes), MOST)


def test_a_message_of_the_first_protocol_is_made_one_of_the_second() -> None:
    told = {"task": TASK, "id": "1", "args": ["x"], "taskset": "g", "retries": 2, "callbacks": [], "junk": 5}
    body = read_body(parts(body=json.dumps(told)), MOST)
    assert body.headers == {"task": TASK, "id": "1", "retries": 2, "group": "g"}
    assert body.payload == json.loads(body.content) == [["x"], {}, {"callbacks": []}]


def test_what_a_header_says_counts_before_what_a_body_of_the_first_protocol_says() -> None:
    body = json.dumps({"task": TASK, "id": "of the body", "retries": 1, "args": [], "kwargs": {}})
    found = judge_parts(parts(body=body, headers={"id": "of the header"}, properties=PROPERTIES), MOST)
    assert isinstance(found, Call)
    assert (found.task_id, found.headers["retries"]) == ("of the header", 1)


def test_a_request_has_the_headers_that_it_may_have_and_no_others() -> None:
    own = {"x-mine": {"a": 1}, "traceparent": "00"}
    kept = {
        "task": TASK,
        "id": "1",
        "lang": "py",
        "retries": 0,
        "cellblock_sent_at": 5.0,
        "ignore_result": True,
    }
    dropped = {"shadow": "s", "argsrepr": "a", "kwargsrepr": "k", "timelimit": [1, 2], "compression": "gzip"}
    nothing = {"eta": None, "group": None}
    workers = {"hostname": "w", "is_eager": True, "delivery_info": {}, "called_directly": True}
    assert clean_headers(kept | own | dropped | nothing | workers) == kept | own


@pytest.mark.parametrize(
    "name", ["get", "update", "children", "turn", "as_execution_options", "a\nb", "x" * 256]
)
def test_a_header_that_would_hide_the_requests_own_is_refused(name: str) -> None:
    with pytest.raises(Junk, match="it can have no header"):
        clean_headers({"task": TASK, "id": "1", name: 1})


def test_headers_of_ones_own_have_64_kib_together() -> None:
    about = {"task": TASK, "id": "1"}
    room = (64 << 10) - len(json.dumps({"x": ""}))
    assert clean_headers(about | {"x": "y" * room})["x"] == "y" * room
    with pytest.raises(Junk, match="larger than 64 KiB"):
        clean_headers(about | {"x": "y" * (room + 1)})


def test_of_the_properties_three_are_kept() -> None:
    more = {"correlation_id": "c", "reply_to": "r", "priority": 255, "body_encoding": "base64", "x": 1}
    kept = {"correlation_id": "c", "reply_to": "r", "priority": 255}
    assert clean_properties(PROPERTIES | more) == kept
    assert clean_properties(PROPERTIES | {"priority": -255})["priority"] == -255


@pytest.mark.parametrize(
    ("properties", "words"),
    [
        ([], "its properties are no object"),
        ({"delivery_info": {}}, "its property delivery_tag is missing"),
        ({"delivery_tag": "t"}, "its property delivery_info is missing"),
        (PROPERTIES | {"priority": 256}, "its property priority is not a whole number to 255"),
        (PROPERTIES | {"priority": -256}, "its property priority"),
        (PROPERTIES | {"body_encoding": "hex"}, "its property body_encoding is not base64 or utf-8"),
        (PROPERTIES | {"delivery_info": {"exchange": 5}}, "names no exchange and routing key"),
        (PROPERTIES | {"delivery_info": {"routing_key": [1]}}, "names no exchange and routing key"),
    ],
)
def test_properties_that_make_no_sense_are_named(properties: object, words: str) -> None:
    with pytest.raises(Junk, match=words):
        clean_properties(properties)


@pytest.mark.parametrize("task", ["celery.accumulate", "celery.backend_cleanup", "celery.chord_unlock", TASK])
def test_what_celery_sends_by_itself_is_ours(task: str) -> None:
    assert isinstance(judge(envelope(call(), headers={"task": task}), MOST), Call)


def test_what_is_refused_keeps_what_others_wait_by_and_what_follows() -> None:
    followers = {"errbacks": [SIGNATURE]}
    kept = {"group": "g", "root_id": "r", "parent_id": "p", "group_index": 3}
    raw = envelope([["x"], {}, followers], headers=kept | {"retries": "junk", "id": "1"})
    verdict = judge(raw, MOST)
    assert isinstance(verdict, Call)
    assert (verdict.is_refused, verdict.task_id, verdict.payload) == (True, "1", [[], {}, followers])
    about = {"lang": "py", "task": TASK, "id": "1"}
    why = "The message is no call: its header retries is not a whole number from 0 to 1000."
    assert verdict.headers == kept | about | {"cellblock_refusal": why}
    assert json.loads(verdict.body) == verdict.payload


def test_what_is_refused_keeps_nothing_that_makes_no_sense() -> None:
    raw = envelope(
        5, headers={"group": [1], "group_index": "x", "id": "1"}, properties={"delivery_tag": MISSING}
    )
    verdict = judge(raw, MOST)
    assert isinstance(verdict, Call)
    assert not {"group", "group_index"} & verdict.headers.keys()
    assert verdict.properties == {"correlation_id": "1"}


@pytest.mark.parametrize(
    ("changes", "verdict"),
    [
        ({"headers": [1]}, Dead("its headers are no object")),
        ({"headers": {"task": "shop.x"}}, Stray("'shop.x'")),
        (
            {"headers": None, "content_type": "text/plain"},
            Stray("a task that only its body names, which is no JSON"),
        ),
        ({"headers": {}, "body": '{"task": "shop.old", "id": "1"}'}, Stray("'shop.old'")),
        (
            {"headers": {"task": TASK}, "content_type": "text/plain"},
            Dead(
                "its body is 'text/plain', and only JSON is"
                " read. Try: task_serializer = 'json' where it is sent"
            ),
        ),
    ],
)
def test_whose_a_message_is(changes: dict[str, Any], verdict: object) -> None:
    assert judge_parts(parts(**changes), MOST) == verdict


def test_a_call_is_sealed_as_kombu_would_have_written_it() -> None:
    verdict = judge(envelope(call("echo é"), headers={"id": "1"}), MOST)
    assert isinstance(verdict, Call)
    again = judge(sealed(verdict, PROPERTIES), MOST)
    assert isinstance(again, Call)
    assert (again.headers, again.payload) == (verdict.headers, verdict.payload)
    assert json.loads(sealed(verdict, {}))["content-encoding"] == "utf-8"
