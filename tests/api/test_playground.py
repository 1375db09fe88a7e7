"""The playground, in a real browser."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest

from tests.api.conftest import ALICE
from tests.browser import Browser, running_browser
from tests.conftest import unavailable
from tests.programs import running, unique_sleep
from tests.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.api.running import Api, Caller

pytestmark = pytest.mark.timeout(240)
WITHIN_S = 60.0


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    if shutil.which("chromedriver") is None:
        unavailable("There is no chromedriver. Try: apt-get install chromium-driver")
    with running_browser() as opened:
        yield opened


@pytest.fixture
def page(browser: Browser, api: Api) -> Browser:
    """The playground with a token, once it shows the runtimes."""
    browser.open(api.url)
    browser.run("sessionStorage.setItem('token', arguments[0])", ALICE)
    browser.open(api.url)
    wait_until(lambda: "python" in browser.text("#runtime"), WITHIN_S, "the runtimes are there")
    return browser


def put(page: Browser, css: str, value: str) -> None:
    """Fill in a field, as a user does."""
    set_and_tell = (
        "const field = document.querySelector(arguments[0]);"
        "field.value = arguments[1]; field.dispatchEvent(new Event('change'))"
    )
    page.run(set_and_tell, css, value)


def status(page: Browser) -> str:
    return str(page.run("return document.getElementById('status').value"))


def test_code_runs_and_its_output_and_status_are_shown(page: Browser) -> None:
    put(page, "#runtime", "python")
    put(page, "#code", "import sys\nprint('answer:', 6 * 7)\nprint('<b>oh</b>', file=sys.stderr)")
    page.click("#run")
    wait_until(lambda: status(page).startswith("succeeded, exit code 0"), WITHIN_S, "it has succeeded")
    wrong = page.text("#output .stderr")
    assert wrong.strip() == "<b>oh</b>"
    # The two streams may come in pieces, one between those of the other.
    assert "answer: 42" in page.text("#output").replace(wrong, "")


def test_output_is_shown_while_the_code_runs_and_a_cancel_ends_it(page: Browser) -> None:
    command = unique_sleep(60)
    put(page, "#runtime", "bash")
    put(page, "#code", f"echo first; exec {command}")
    put(page, "#timeout", "60")
    page.click("#run")
    wait_until(
        lambda: page.text("#output").strip() == "first" and running(command), WITHIN_S, "the output is there"
    )
    page.click("#cancel")
    wait_until(lambda: status(page).startswith("cancelled"), WITHIN_S, "it is cancelled")


def test_a_character_that_is_cut_in_two_is_shown_whole(page: Browser) -> None:
    put(page, "#runtime", "bash")
    put(page, "#code", r"printf '\342\202'; sleep 0.5; printf '\254 \377.'")
    page.click("#run")
    wait_until(lambda: status(page).startswith("succeeded"), WITHIN_S, "it has succeeded")
    assert page.text("#output") == "€ \ufffd."


def test_what_is_refused_is_said(page: Browser) -> None:
    put(page, "#timeout", "5000")
    page.click("#run")
    wait_until(lambda: "above the maximum of 600 s" in status(page), WITHIN_S, "the sentence is shown")


def test_without_a_token_the_page_says_what_is_missing(browser: Browser, api: Api) -> None:
    browser.open(api.url)
    browser.run("sessionStorage.clear()")
    browser.open(api.url)
    wait_until(lambda: "token is missing" in status(browser), WITHIN_S, "it says so")


def test_the_page_runs_nothing_from_elsewhere_and_is_in_no_frame(stranger: Caller) -> None:
    policy = stranger.call("GET", "/").headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
