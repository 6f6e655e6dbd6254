"""Headless Chromium, driven through its own protocol, so that there is no driver to download."""

from __future__ import annotations

import asyncio
import base64
import json
import subprocess
import time
import urllib.request
from pathlib import Path
from typing import Any

MARK = """for (const field of document.querySelectorAll('input[type=file]')) {
    const around = field.closest('.block, .form, .column');
    field.toggleAttribute('data-shown', !!around?.offsetParent && around.textContent.includes(LABEL)) }"""
"""Fields for files are never shown themselves: those of an open tab are told by what is around them."""
PLAYED = """(async () => {
    const players = [...document.querySelectorAll('*')].filter(host => host.shadowRoot?.querySelector('audio'));
    const shown = players.filter(host => host.offsetParent && host.closest('.block').textContent.includes(LABEL));
    const sound = shown.map(host => host.shadowRoot.querySelector('audio')).find(one => one.duration > 0);
    if (!sound) return null;
    const bytes = await (await fetch(sound.src)).arrayBuffer();
    const digest = [...new Uint8Array(await crypto.subtle.digest('SHA-256', bytes))];
    return [sound.duration, digest.map(byte => byte.toString(16).padStart(2, '0')).join('')];
})()"""
"""Seconds and digest of the file in the player under a label, as the browser has it; null while there is none."""


class Browser:
    """Headless Chromium, driven through its own protocol: no driver to download."""

    def __init__(self, folder: Path, language: str, width: int, height: int) -> None:
        self.flags = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking"]
        self.flags += ["--remote-debugging-port=0", f"--user-data-dir={folder}", "about:blank"]
        self.folder, self.language, self.size = folder, language, (width, height)
        self.asked: list[str] = []
        self._answers: dict[int, asyncio.Future[Any]] = {}

    async def __aenter__(self):
        import websockets

        self._process = subprocess.Popen(["chromium", *self.flags], stdout=-3, stderr=-3)
        place = self.folder / "DevToolsActivePort"
        while not place.exists() or len(place.read_text().split()) < 2:
            await asyncio.sleep(0.1)
        with urllib.request.urlopen(f"http://127.0.0.1:{place.read_text().split()[0]}/json") as answer:
            target = next(one for one in json.load(answer) if one["type"] == "page")
        self._socket = await websockets.connect(target["webSocketDebuggerUrl"], max_size=None)
        self._reader = asyncio.create_task(self._read())
        for domain in ("Network", "Page", "Runtime", "DOM"):
            await self.call(f"{domain}.enable")
        width, height = self.size
        shape = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600}
        await self.call("Emulation.setDeviceMetricsOverride", **shape)
        await self.call("Emulation.setFocusEmulationEnabled", enabled=True)  # lists open for who is looking
        await self.call("Emulation.setLocaleOverride", locale=self.language)
        agent = {"userAgent": "resay-test", "acceptLanguage": self.language}
        await self.call("Emulation.setUserAgentOverride", **agent)
        return self

    async def __aexit__(self, *_):
        self._reader.cancel()
        await self._socket.close()
        self._process.terminate()
        self._process.wait()

    async def _read(self) -> None:
        async for text in self._socket:
            message = json.loads(text)
            if message.get("method") == "Network.requestWillBeSent":
                self.asked.append(message["params"]["request"]["url"])
            elif "id" in message:
                self._answers.pop(message["id"]).set_result(message)

    async def call(self, method: str, **params):
        number = len(self._answers) + int(time.monotonic_ns() % 10**9)
        self._answers[number] = asyncio.get_running_loop().create_future()
        answer = self._answers[number]
        await self._socket.send(json.dumps({"id": number, "method": method, "params": params}))
        return (await asyncio.wait_for(answer, 120)).get("result", {})

    async def js(self, expression: str):
        answer = await self.call("Runtime.evaluate", expression=expression, awaitPromise=True, returnByValue=True)
        return answer["result"].get("value")

    async def says(self, words: str) -> None:
        """Wait until the page does."""
        await self.until(f"document.body.textContent.includes({json.dumps(words)})")

    async def until(self, expression: str, seconds: float = 240):
        end = time.monotonic() + seconds
        while not (found := await self.js(expression)):
            assert time.monotonic() < end, f"{expression}\n{await self.js('document.body.innerText')}"
            await asyncio.sleep(0.2)
        return found

    async def click(self, words_of_button: str) -> None:
        wanted = f"b.offsetParent && b.textContent.includes({words_of_button!r})"
        shown = f"[...document.querySelectorAll('button')].filter(b => {wanted})"
        await self.until(f"{shown}.length > 0")
        await self.js(f"{shown}[0].click()")

    async def write(self, selector: str, value: str, label: str = "") -> None:
        """Into the first shown field, or the first under a label; waits until there is one."""
        near = f"f.closest('.block, .form')?.textContent.includes({json.dumps(label)})"
        field = f"[...document.querySelectorAll({json.dumps(selector)})].find(f => f.offsetParent && {near})"
        await self.until(f"!!({field})")
        code = f"const field = {field}; field.value = {json.dumps(value)}; "
        code += "field.dispatchEvent(new Event('input', {bubbles: true}))"
        await self.js(f"(() => {{ {code} }})()")
        await asyncio.sleep(0.5)  # until the page has taken it in

    async def played(self, words_of_label: str, unlike: str = "") -> tuple[float, str]:
        """Seconds and SHA-256 of the file in a shown player, once it is another than `unlike`."""
        expression = PLAYED.replace("LABEL", json.dumps(words_of_label))
        seconds, digest = await self.until(
            f"({expression}).then(it => it && it[1] !== {json.dumps(unlike)} ? it : null)"
        )
        return seconds, digest

    async def reload(self) -> None:
        await self.call("Page.reload")
        await asyncio.sleep(1)  # until the old page has gone

    async def tab(self, name: str) -> None:
        """Open a tab; on narrow pages some of them are in a menu."""
        wanted = f"[...document.querySelectorAll('button')].filter(b => b.textContent.trim() === {name!r})"
        shown = f"{wanted}.find(b => b.offsetParent && !b.closest('[aria-hidden=true]'))"
        if not await self.js(f"!!({shown})"):
            await self.js("document.querySelector('.overflow-menu button').click()")
            await self.until(f"!!({shown})")
        await self.js(f"{shown}.click()")
        await asyncio.sleep(0.5)

    async def tick(self, words_of_label: str) -> None:
        label = f"[...document.querySelectorAll('label')].find(l => l.textContent.includes({words_of_label!r}))"
        await self.js(f"{label}.click()")
        await asyncio.sleep(0.5)

    async def choose(self, words_of_label: str, value: str) -> None:
        """One of a dropdown's choices."""
        shown = "[...document.querySelectorAll('input[role=combobox]')].filter(i => i.offsetParent)"
        field = f"{shown}.find(i => i.closest('.block').textContent.includes({words_of_label!r}))"
        await self.js(f"{field}.focus()")
        option = f"[...document.querySelectorAll('[role=option]')].find(o => o.textContent.includes({value!r}))"
        await self.until(f"!!({option})")
        await self.js(f"{option}.dispatchEvent(new MouseEvent('mousedown', {{bubbles: true}}))")
        await asyncio.sleep(0.5)

    async def upload(self, file: Path, words_of_label: str = "") -> None:
        """Into the first field for files that is shown, or that a label is on."""
        await self.js(MARK.replace("LABEL", json.dumps(words_of_label)))
        root = (await self.call("DOM.getDocument"))["root"]["nodeId"]
        found = await self.call("DOM.querySelector", nodeId=root, selector="input[data-shown]")
        await self.call("DOM.setFileInputFiles", nodeId=found["nodeId"], files=[str(file)])

    async def picture(self, path: Path) -> None:
        path.write_bytes(base64.b64decode((await self.call("Page.captureScreenshot", format="png"))["data"]))
