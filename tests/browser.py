"""Chromium without a window, driven by the W3C WebDriver protocol: the few calls that the tests need."""

from __future__ import annotations

import os
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import requests

from tests.programs import free_port
from tests.waiting import wait_until

__all__ = ["Browser", "running_browser"]

_ELEMENT = "element-6066-11e4-a52e-4f735466cecf"
_OPTIONS = ["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"]


class Browser:
    """One window. Elements are told by CSS."""

    def __init__(self, driver: str) -> None:
        self._http = requests.Session()
        wanted = {"alwaysMatch": {"goog:chromeOptions": {"args": _OPTIONS}}}
        opened = self._http.post(f"{driver}/session", json={"capabilities": wanted}, timeout=60).json()
        self._address = f"{driver}/session/{opened['value']['sessionId']}"

    def open(self, url: str) -> None:
        """Show a page."""
        self._call("url", {"url": url})

    def text(self, css: str = "body") -> str:
        """The visible text of the first element that matches; empty if there is none."""
        return str(self.run("return document.querySelector(arguments[0])?.innerText ?? ''", css))

    def resize(self, width: int, height: int) -> None:
        """Give the window this size, in pixels."""
        self._call("window/rect", {"width": width, "height": height})

    def run(self, script: str, *arguments: object) -> Any:
        """What a script returns that runs in the page."""
        return self._call("execute/sync", {"script": script, "args": arguments})

    def click(self, css: str) -> None:
        """Click the first such element, once it is there and the page's scripts have run."""
        found = wait_until(lambda: self._is_loaded() and self._find(css), 15, f"{css} is on the page")
        self._call(f"element/{found}/click", {})

    def close(self) -> None:
        """Close the window."""
        self._http.delete(self._address, timeout=30)
        self._http.close()

    def _is_loaded(self) -> bool:
        return bool(self.run("return document.readyState === 'complete'"))

    def _find(self, css: str) -> str:
        found = self._call("elements", {"using": "css selector", "value": css})
        return str(found[0][_ELEMENT]) if found else ""

    def _call(self, what: str, body: dict[str, Any]) -> Any:
        answer = self._http.post(f"{self._address}/{what}", json=body, timeout=60).json()["value"]
        assert not (isinstance(answer, dict) and "error" in answer), answer
        return answer


@contextmanager
def running_browser() -> Iterator[Browser]:
    """A browser, and its driver. What they leave lies in a folder whose path has room for a socket."""
    with tempfile.TemporaryDirectory(dir="/tmp", prefix="cellblock-", ignore_cleanup_errors=True) as folder:
        yield from _running_browser(folder)


def _running_browser(folder: str) -> Iterator[Browser]:
    port = free_port()
    driver = subprocess.Popen(
        ["chromedriver", f"--port={port}"],
        env=os.environ | {"TMPDIR": folder},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        wait_until(lambda: _is_up(port), 30, "the driver answers")
        browser = Browser(f"http://127.0.0.1:{port}")
        try:
            yield browser
        finally:
            browser.close()
    finally:
        driver.terminate()
        driver.wait(30)


def _is_up(port: int) -> bool:
    try:
        return requests.get(f"http://127.0.0.1:{port}/status", timeout=5).ok
    except requests.ConnectionError:
        return False
