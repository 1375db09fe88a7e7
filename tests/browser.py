"""Drives headless Chromium with the few calls of the W3C WebDriver protocol that the tests need."""

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
    """One window. Elements are chosen by CSS selectors."""

    def __init__(self, driver: str) -> None:
        self._http = requests.Session()
        wanted = {"alwaysMatch": {"goog:chromeOptions": {"args": _OPTIONS}}}
        opened = self._http.post(f"{driver}/session", json={"capabilities": wanted}, timeout=60).json()
        self._address = f"{driver}/session/{opened['value']['sessionId']}"

    def open(self, url: str) -> None:
        """Open a page."""
        self._call("url", {"url": url})

    def text(self, css: str = "body") -> str:
        """The visible text of the first element that matches; empty if there is none."""
        return str(self._script("return document.querySelector(arguments[0])?.innerText ?? ''", css))

    def click(self, css: str) -> None:
        """Click the first element that matches, once it exists and the page is loaded."""
        found = wait_until(lambda: self._is_loaded() and self._find(css), 15, f"{css} is on the page")
        self._call(f"element/{found}/click", {})

    def close(self) -> None:
        """Close the window."""
        self._http.delete(self._address, timeout=30)
        self._http.close()

    def _is_loaded(self) -> bool:
        return self._script("return document.readyState") == "complete"

    def _find(self, css: str) -> str:
        found = self._call("elements", {"using": "css selector", "value": css})
        return str(found[0][_ELEMENT]) if found else ""

    def _script(self, script: str, *arguments: object) -> object:
        return self._call("execute/sync", {"script": script, "args": arguments})

    def _call(self, what: str, body: dict[str, Any]) -> Any:
        answer = self._http.post(f"{self._address}/{what}", json=body, timeout=60).json()["value"]
        assert not (isinstance(answer, dict) and "error" in answer), answer
        return answer


@contextmanager
def running_browser() -> Iterator[Browser]:
    """Run a browser and its driver. Their temporary folder has a short path, because it holds a socket."""
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
