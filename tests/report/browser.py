"""Chromium without a window, told what to do over a pipe in its own words (the DevTools protocol)."""

import base64
import contextlib
import json
import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

INSTALL = "apt-get install --no-install-recommends chromium"
PATIENCE = 60
"""Seconds to wait for an answer, on a machine that is busy with other tests."""


def what_is_missing() -> str:
    """Why reports cannot be looked at here; an empty string if they can."""
    return "" if shutil.which("chromium") else f"Chromium is not installed ({INSTALL})"


class Page:
    """A page of a browser that can reach no network.

    Attributes:
        errors: what the browser complained of so far: exceptions, errors on the console, files that were not found.
    """

    def __init__(self, orders: int, answers: int):
        self._orders, self._answers, self._read, self._number = orders, answers, b"", 0
        self._session: dict[str, str] = {}
        self._contexts: dict[str, int] = {}
        self.errors: list[str] = []
        target = self.tell("Target.createTarget", url="about:blank")["targetId"]
        self._session = {"sessionId": self.tell("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]}
        for domain in ("Page", "Runtime", "Log"):
            self.tell(f"{domain}.enable")

    def tell(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Give an order and wait for its answer; what happens meanwhile is noted."""
        self._number += 1
        order = {"id": self._number, "method": method, "params": parameters} | self._session
        os.write(self._orders, json.dumps(order).encode() + b"\0")
        while (message := self._next()).get("id") != self._number:
            self._note(message)
        assert "error" not in message, f"{method}: {message['error']}"
        return message["result"]

    def open(self, file: Path, width: int, height: int) -> None:
        """Load a file into a window of this size (CSS pixels)."""
        size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
        self.tell("Emulation.setDeviceMetricsOverride", **size)
        self.tell("Page.navigate", url=file.resolve().as_uri())

    def run(self, code: str, inside: str = "") -> Any:
        """The value of a JavaScript expression; `inside` is part of the address of the frame, the page if not given."""
        where = {}
        if inside:
            frames = self.tell("Page.getFrameTree")["frameTree"].get("childFrames", [])
            found = [frame["frame"]["id"] for frame in frames if inside in frame["frame"]["url"]]
            where = {"contextId": self._contexts.get(found[0] if found else "", -1)}
            if where["contextId"] < 0:
                return None
        result = self.tell("Runtime.evaluate", expression=code, returnByValue=True, awaitPromise=True, **where)
        assert "exceptionDetails" not in result, f"{code}: {result['exceptionDetails']}"
        return result["result"].get("value")

    def wait(self, code: str, inside: str = "") -> None:
        """Wait until the expression is true."""
        end = time.monotonic() + PATIENCE
        while not self.run(f"!!({code})", inside):
            assert time.monotonic() < end, f"never true: {code}\n{self.errors}"
            time.sleep(0.05)

    def picture(self, file: Path) -> None:
        """Write what the window shows as .png."""
        file.write_bytes(base64.b64decode(self.tell("Page.captureScreenshot")["data"]))

    def _next(self) -> dict[str, Any]:
        while b"\0" not in self._read:
            more = os.read(self._answers, 1 << 20)
            assert more, "the browser has ended"
            self._read += more
        message, _, self._read = self._read.partition(b"\0")
        return json.loads(message)

    def _note(self, message: dict[str, Any]) -> None:
        method, given = message["method"], message["params"]
        if method == "Runtime.executionContextCreated":
            context = given["context"]
            if context["auxData"].get("isDefault"):
                self._contexts[context["auxData"]["frameId"]] = context["id"]
        elif method == "Runtime.exceptionThrown":
            self.errors.append(json.dumps(given["exceptionDetails"]))
        elif method == "Runtime.consoleAPICalled" and given["type"] in ("error", "assert"):
            self.errors.append(json.dumps(given["args"]))
        elif method == "Log.entryAdded" and given["entry"]["level"] == "error":
            self.errors.append(f"{given['entry']['text']} {given['entry'].get('url', '')}")


@contextlib.contextmanager
def chromium(folder: Path) -> Iterator[Page]:
    """A new browser whose own files are in `folder`."""
    theirs, orders = os.pipe()
    answers, ours = os.pipe()
    words = ["chromium", "--headless=new", "--remote-debugging-pipe", f"--user-data-dir={folder}", "--no-first-run"]
    words += ["--disable-gpu", "--disable-dev-shm-usage", "--host-resolver-rules=MAP * ~NOTFOUND"]
    words += ["--no-sandbox"] * (os.getuid() == 0)
    # It reads from 3 and writes to 4.
    shell = ["bash", "-c", f'exec "$@" 30<&{theirs} 31>&{ours} 3<&30 4>&31', "bash", *words]
    with (folder / "log").open("wb") as log:
        browser = subprocess.Popen(shell, pass_fds=(theirs, ours), stdout=log, stderr=log)
    os.close(theirs)
    os.close(ours)
    try:
        yield Page(orders, answers)
    finally:
        browser.terminate()
        browser.wait(PATIENCE)
        os.close(orders)
        os.close(answers)
