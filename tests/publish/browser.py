"""A headless Chromium of the operating system, spoken to over its own debugging pipe.

Chrome's DevTools protocol: JSON that ends with a zero byte, on the file descriptors 3 and 4.
"""

import base64
import json
import os
import select
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")

CHROMIUM = next((found for name in NAMES if (found := shutil.which(name))), None)

PATIENCE = 20
"""Seconds after which a browser that says nothing is taken for hung."""

OPTIONS = (
    *("--headless", "--remote-debugging-pipe", "--no-first-run", "--disable-gpu"),
    *("--disable-background-networking", "--disable-component-update", "--hide-scrollbars"),
    # Chromium's sandbox does not run as root, as which containers do.
    *(("--no-sandbox", "--disable-dev-shm-usage") if os.getuid() == 0 else ()),
)


class Browser:
    """One page, what it wrote to the console, and what it asked for.

    Attributes:
        complaints: what the console and exceptions said.
        requests: the address of everything that was asked for.
    """

    def __init__(self, read: int, write: int) -> None:
        self._answers = read
        self._heard = b""
        self._orders = os.fdopen(write, "wb")
        self._last = 0
        self._session: str | None = None
        self.complaints: list[str] = []
        self.requests: list[str] = []
        target = self.do("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.do("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Network", "Log"):
            self.do(f"{domain}.enable")

    def do(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Give an order, and return the answer; what happens meanwhile is noted."""
        self._last += 1
        order = {"id": self._last, "method": method, "params": parameters}
        if self._session:
            order["sessionId"] = self._session
        self._orders.write(json.dumps(order).encode() + b"\0")
        self._orders.flush()
        while True:
            message = self._next()
            if message.get("id") == self._last:
                assert "error" not in message, (method, message)
                answer: dict[str, Any] = message["result"]
                return answer

    def open(self, path: Path, width: int = 1280, *, dark: bool = False) -> None:
        """Open a file, and wait until it is loaded and drawn."""
        self.do(
            "Emulation.setDeviceMetricsOverride",
            **{"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": False},
        )
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.do("Emulation.setEmulatedMedia", features=[scheme])
        self.complaints.clear()
        self.requests.clear()
        self.do("Page.navigate", url=path.as_uri())
        while self._next().get("method") != "Page.loadEventFired":
            pass

    def ask(self, script: str) -> Any:
        """Return what a piece of JavaScript comes to."""
        answer = self.do(
            "Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True
        )
        assert "exceptionDetails" not in answer, answer
        return answer["result"].get("value")

    def picture(self, path: Path) -> None:
        """Take a picture of the whole page."""
        found = self.do("Page.captureScreenshot", captureBeyondViewport=True)
        path.write_bytes(base64.b64decode(found["data"]))

    def _next(self) -> dict[str, Any]:
        while b"\0" not in self._heard:
            ready, _, _ = select.select([self._answers], [], [], PATIENCE)
            assert ready, f"the browser said nothing for {PATIENCE} seconds"
            more = os.read(self._answers, 1 << 20)
            assert more, "the browser has ended"
            self._heard += more
        text, _, self._heard = self._heard.partition(b"\0")
        message: dict[str, Any] = json.loads(text)
        told = message.get("params", {})
        match message.get("method"):
            case "Network.requestWillBeSent":
                self.requests.append(told["request"]["url"])
            case "Runtime.consoleAPICalled" | "Runtime.exceptionThrown" | "Log.entryAdded":
                self.complaints.append(json.dumps(told))
        return message


@contextmanager
def browser() -> Iterator[Browser]:
    """Start Chromium, and end it."""
    assert CHROMIUM
    (their_read, our_write), (our_read, their_write) = os.pipe(), os.pipe()
    with TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        script = f'exec "$0" "$@" 3<&{their_read} 4>&{their_write}'
        command = ["bash", "-c", script, CHROMIUM, *OPTIONS, f"--user-data-dir={profile}"]
        process = subprocess.Popen(
            command, pass_fds=(their_read, their_write), stderr=subprocess.DEVNULL
        )
        os.close(their_read)
        os.close(their_write)
        try:
            yield Browser(our_read, our_write)
        finally:
            process.kill()
            process.wait()
