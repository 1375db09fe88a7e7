"""What answers hold: images, long outputs, and what is said of what they leave out."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING

import pytest

from api.mcp.images import MOST_IMAGE_BYTES, image_content
from api.mcp.shortened import MOST_CHARS, shortened
from tests.api.mcp.talking import png

if TYPE_CHECKING:
    from tests.api.mcp.talking import Session


def in_base64(data: bytes) -> str:
    return base64.b64encode(data).decode()


@pytest.mark.anyio
async def test_an_image_comes_once_and_again_when_it_has_changed(session: Session) -> None:
    first, second = in_base64(png(4)), in_base64(png(4, shade=200))
    answer = await session.run(f"mkdir a; echo {first} | base64 -d > a/Plot.PNG")
    assert (answer.images, answer.text.splitlines()[-1]) == ([png(4)], "New image: a/Plot.PNG")
    assert (await session.run("touch other")).images == []
    assert (await session.run(f"echo {second} | base64 -d > a/Plot.PNG")).images == [png(4, shade=200)]


@pytest.mark.anyio
async def test_what_is_called_an_image_and_is_none_is_said_and_not_sent(session: Session) -> None:
    answer = await session.run("echo text > no.png; ln -s /etc/passwd link.png; mkdir folder.png")
    assert (answer.images, answer.facts["images"]) == ([], [])
    assert answer.facts["notes"] == [
        "no.png is not shown: it is no image, or an SVG of more than 64 KiB.",
        "link.png is not shown: not a regular file.",
    ]
    assert (await session.run("true")).facts["notes"] == []


@pytest.mark.anyio
async def test_an_image_that_is_too_large_is_said_and_not_sent(session: Session) -> None:
    answer = await session.run(f"head -c {MOST_IMAGE_BYTES + 1} /dev/zero > large.png")
    assert answer.images == []
    assert answer.facts["notes"] == ["large.png is not shown: it has 3500001 bytes, more than 3500000."]


@pytest.mark.anyio
async def test_of_many_images_the_first_come_and_the_others_are_counted(session: Session) -> None:
    made = (
        f"echo {in_base64(png(4))} | base64 -d > 0; for i in $(seq 10 29); do (cat 0; echo $i) > $i.png; done"
    )
    answer = await session.run(made)
    assert len(answer.images) == 8
    assert answer.facts["notes"] == ["12 more new images are not shown. Look at one with `read_file`."]


@pytest.mark.anyio
async def test_an_svg_comes_as_text(session: Session) -> None:
    answer = await session.run("echo '<svg><text>Ä</text></svg>' > a.svg")
    assert answer.facts["images"] == ["a.svg"]
    assert answer.text.endswith("New image: a.svg\n<svg><text>Ä</text></svg>\n")


@pytest.mark.anyio
async def test_a_long_output_is_shortened_and_how_much_is_left_out_is_said(session: Session) -> None:
    answer = await session.run("echo first; head -c 3000000 /dev/zero | tr '\\0' x; echo; echo last")
    stdout = answer.facts["stdout"]
    assert stdout.startswith("first\nxxx")
    assert stdout.endswith("xxx\nlast\n")
    assert f"\n[… {3000012 - MOST_CHARS} of 3000012 bytes are left out here …]\n" in stdout
    assert answer.facts["stdout_truncated"]
    assert "write it to a file and read parts of that with `read_file`" in answer.text


@pytest.mark.anyio
async def test_what_a_job_did_before_its_limit_is_kept(patient: Session) -> None:
    answer = await patient.run("echo done > a; exec tail /dev/zero")
    assert (answer.facts["status"], answer.facts["limit"]) == ("out_of_memory", "memory")
    assert await patient.stdout("cat a") == "done\n"


@pytest.mark.anyio
async def test_files_that_can_not_be_kept_are_as_before_and_the_answer_says_so(patient: Session) -> None:
    await patient.call("write_file", path="b", content="before")
    answer = await patient.run("echo after > b; truncate -s 50m sparse1 sparse2")
    (note,) = answer.facts["notes"]
    assert note.startswith("The files are as they were before this job. Why they were not kept: its files")
    assert note in answer.text
    assert await patient.stdout("cat b; rm -f sparse*") == "before"


@pytest.mark.parametrize("total", [0, 5, MOST_CHARS])
def test_a_short_output_is_left_as_it_is(total: int) -> None:
    assert shortened("x" * total, total, is_cut=False) == "x" * total


def test_what_the_worker_has_left_out_counts_as_well() -> None:
    assert shortened("headtail", 100, is_cut=True) == "head\n[… 92 of 100 bytes are left out here …]\ntail"


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (png(1), "image/png"),
        (b"\xff\xd8\xff\xe0", "image/jpeg"),
        (b"GIF89a", "image/gif"),
        (b"GIF87a", "image/gif"),
        (b"RIFF\0\0\0\0WEBPVP8 ", "image/webp"),
        (b"RIFF\0\0\0\0WAVEfmt ", None),
        (b"\x89PNG\n", None),
        (b"", None),
        (b"<svg>" + b" " * (64 << 10), None),
        (b"<svg>\xff", None),
    ],
)
def test_images_are_told_by_their_first_bytes(data: bytes, kind: str | None) -> None:
    content = image_content(data)
    assert getattr(content, "mime_type", None) == kind
