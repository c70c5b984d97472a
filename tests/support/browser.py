"""A headless Chromium, driven by its DevTools protocol: pages opened, measured and photographed."""

from __future__ import annotations

import asyncio
import base64
import itertools
import json
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome", "chrome"))), None)

TIMEOUT_S = 60


@dataclass
class Seen:
    """A page as the browser has it. value: of the expression that was asked. requests: addresses that it loaded.
    errors: what it complained of. too_wide: pixels by which it is wider than the window."""

    value: Any = None
    requests: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    too_wide: int = 0


class Browser:
    def __init__(self, port: int) -> None:
        self._port = port

    def see(
        self, address: str, shot: Path, expression: str = "true", *, width: int = 1280, height: int = 900,
        dark: bool = False, keys: Sequence[tuple[str, str]] = (),
    ) -> Seen:  # fmt: skip
        """Opens a page in a window of that size, waits until the expression of JavaScript is true, and writes what is
        drawn to `shot`, a PNG. keys: pressed before, each once an expression is true."""
        size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
        look = _look(self._port, address, shot, expression, size, "dark" if dark else "light", keys)
        return asyncio.run(asyncio.wait_for(look, TIMEOUT_S))


@contextmanager
def chromium(profile: Path) -> Iterator[Browser]:
    assert CHROMIUM is not None
    options = ["--headless=new", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--remote-debugging-port=0"]
    command = [CHROMIUM, *options, f"--user-data-dir={profile}", "about:blank"]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    try:
        assert process.stderr is not None
        told = next(line for line in process.stderr if "DevTools listening on" in line)
        yield Browser(int(told.split("ws://127.0.0.1:")[1].split("/")[0]))
    finally:
        process.kill()
        process.communicate()


async def _look(
    port: int, address: str, shot: Path, expression: str, size: dict[str, Any], scheme: str,
    keys: Sequence[tuple[str, str]],
) -> Seen:  # fmt: skip
    seen, loaded, numbers = Seen(), asyncio.Event(), itertools.count(1)
    waiting: dict[int, asyncio.Future[dict[str, Any]]] = {}
    async with aiohttp.ClientSession() as session:
        async with session.put(f"http://127.0.0.1:{port}/json/new?about:blank") as response:
            page = await response.json()
        async with session.ws_connect(page["webSocketDebuggerUrl"], max_msg_size=0) as socket:

            async def listen() -> None:
                async for message in socket:
                    told = json.loads(message.data)
                    if "id" in told:
                        waiting.pop(told["id"]).set_result(told)
                    _note(seen, loaded, told.get("method"), told.get("params", {}))

            async def ask(method: str, **params: Any) -> dict[str, Any]:
                number = next(numbers)
                answer = waiting[number] = asyncio.get_running_loop().create_future()
                await socket.send_json({"id": number, "method": method, "params": params})
                return dict((await answer)["result"])

            async def value_of(script: str) -> Any:
                return (await ask("Runtime.evaluate", expression=script, returnByValue=True))["result"].get("value")

            async def until(script: str) -> Any:
                while not (value := await value_of(script)):
                    await asyncio.sleep(0.1)
                return value

            async def press(key: str) -> None:
                text = {"Enter": "\r"}.get(key, key if len(key) == 1 else "")
                code = {"Enter": 13, "Escape": 27}.get(key, 0)
                await ask("Input.dispatchKeyEvent", type="keyDown", key=key, text=text, windowsVirtualKeyCode=code)
                await ask("Input.dispatchKeyEvent", type="keyUp", key=key, windowsVirtualKeyCode=code)

            listening = asyncio.create_task(listen())
            for domain in ("Page", "Runtime", "Log", "Network"):
                await ask(f"{domain}.enable")
            await ask("Emulation.setDeviceMetricsOverride", **size)
            await ask("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])
            await ask("Page.navigate", url=address)
            await loaded.wait()
            for ready, key in keys:
                await until(ready)
                await press(key)
            seen.value = await until(expression)
            seen.too_wide = await value_of(
                "document.documentElement.scrollWidth - document.documentElement.clientWidth"
            )
            shot.parent.mkdir(parents=True, exist_ok=True)
            shot.write_bytes(base64.b64decode((await ask("Page.captureScreenshot"))["data"]))
            listening.cancel()
        await session.get(f"http://127.0.0.1:{port}/json/close/{page['id']}")
    return seen


def _note(seen: Seen, loaded: asyncio.Event, method: str | None, params: dict[str, Any]) -> None:
    if method == "Page.loadEventFired":
        loaded.set()
    elif method == "Network.requestWillBeSent":
        seen.requests.append(params["request"]["url"])
    elif method == "Log.entryAdded" and params["entry"]["level"] == "error":
        seen.errors.append(params["entry"]["text"])
    elif method == "Runtime.exceptionThrown":
        seen.errors.append(params["exceptionDetails"]["text"])
    elif method == "Runtime.consoleAPICalled" and params["type"] == "error":
        seen.errors.append(str(params["args"]))
