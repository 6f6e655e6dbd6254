"""The studio's page: its words, its pictures, its door, and a walk through it with a real browser."""

from __future__ import annotations

import asyncio
import base64
import json
import re
import shutil
import subprocess
import threading
import time
import urllib.request
from datetime import date
from pathlib import Path

import pytest

from resay import subtitles
from resay.synthesis import Request

pytest.importorskip("gradio")

from starlette.testclient import TestClient

from resay.server import app
from resay.server.service import Service
from resay.studio import hearing, mounting, words

TODAY = date(2026, 3, 8)
STUDIO = Path(mounting.__file__).parent


@pytest.fixture
def service(library, fake_engine, tmp_path, monkeypatch) -> Service:
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path / "gradio"))
    monkeypatch.setenv("RESAY_SEEDS", str(tmp_path / "seeds.jsonl"))
    return Service(fake_engine, tmp_path / "data", library.folders[-1], clock=lambda: TODAY)


@pytest.fixture
def web(service):
    made = mounting.mount(app.create_app(service), service)
    with TestClient(made, base_url="http://127.0.0.1", follow_redirects=False) as client:
        yield client


def test_every_word_is_used_and_fits_both_languages():
    source = "".join(path.read_text(encoding="utf-8") for path in STUDIO.glob("*.py") if path.stem != "words")
    assert [name for name in words.WORDS if f'"{name}"' not in source] == []
    for english, chinese in words.WORDS.values():
        assert re.findall(r"{(\w+)", english) == re.findall(r"{(\w+)", chinese) or "{" in english
        assert set(re.findall(r"{(\w+)", english)) == set(re.findall(r"{(\w+)", chinese))


def test_timeline_shows_words_where_they_sound_and_escapes_them(fake_engine, library):
    speech = fake_engine.say(Request("Say <b>this</b>."), library.get("Ada"), today=TODAY)
    cues = tuple(subtitles.cues(speech.pieces))
    shown = hearing.timeline(cues, speech.audio.seconds)
    assert "<b>" not in shown
    assert shown.count("<span") == len(cues[0].words) + len([one for one in cues[0].phonemes if one.text.isalnum()])


def test_the_page_names_no_other_place(web):
    page = web.get("/")
    assert page.status_code == 200
    loaded = re.findall(r"""<(?:script|link|img|iframe)[^>]+(?:src|href)=["'](https?:[^"']+)""", page.text)
    assert loaded == []
    assert "fonts.googleapis" not in page.text
    config = web.get("/config").json()
    assert config["analytics_enabled"] is False
    assert page.headers["cache-control"] == "no-store"
    assert "default-src 'self'" in page.headers["content-security-policy"]


def test_the_api_answers_beside_the_page(web):
    assert web.get("/healthz").text == "ok\n"
    assert web.get("/v1/models").json()["data"][0]["id"] == "resay"


def test_strangers_are_sent_to_the_door(web, service):
    _, secret = service.keys.add("me", ("speak", "manage"), TODAY)
    assert web.get("/").headers["location"] == "/login"
    assert "This server wants a key." in web.get("/login").text
    assert "需要密钥" in web.get("/login", headers={"Accept-Language": "zh-CN"}).text
    assert web.post("/session", data={"key": "wrong"}).status_code == 401
    entered = web.post("/session", data={"key": secret})
    assert (entered.status_code, entered.headers["location"]) == (303, "/")
    assert {"httponly", "samesite=strict"} <= {
        part.strip().lower() for part in entered.headers["set-cookie"].split(";")
    }
    assert web.get("/").status_code == 200
    service.keys.remove("me")
    service.keys.add("other", ("speak",), TODAY)
    assert web.get("/").status_code == 303


def test_gradio_files_of_this_machine_are_not_served(web):
    for path in ("/etc/passwd", str(STUDIO / "words.py"), "../../etc/passwd"):
        assert web.get(f"/gradio_api/file={path}").status_code in (400, 403, 404, 422)


class Browser:
    """Headless Chromium, driven through its own protocol: no driver to download."""

    def __init__(self, folder: Path, language: str, width: int, height: int) -> None:
        self.flags = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking"]
        self.flags += ["--remote-debugging-port=0", f"--user-data-dir={folder}", "about:blank"]
        self.folder, self.language, self.size = folder, language, (width, height)
        self.asked: list[str] = []
        self._answers: dict[int, asyncio.Future] = {}

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
        return (await asyncio.wait_for(answer, 30)).get("result", {})

    async def js(self, expression: str):
        answer = await self.call("Runtime.evaluate", expression=expression, awaitPromise=True, returnByValue=True)
        return answer["result"].get("value")

    async def until(self, expression: str, seconds: float = 60):
        end = time.monotonic() + seconds
        while not (found := await self.js(expression)):
            assert time.monotonic() < end, expression
            await asyncio.sleep(0.2)
        return found

    async def click(self, words_of_button: str) -> None:
        wanted = f"b.offsetParent && b.textContent.includes({words_of_button!r})"
        shown = f"[...document.querySelectorAll('button')].filter(b => {wanted})"
        await self.until(f"{shown}.length > 0")
        await self.js(f"{shown}[0].click()")

    async def write(self, selector: str, value: str) -> None:
        code = f"const field = [...document.querySelectorAll({selector!r})].find(f => f.offsetParent); "
        code += f"field.value = {json.dumps(value)}; field.dispatchEvent(new Event('input', {{bubbles: true}}))"
        await self.js(f"(() => {{ {code} }})()")

    async def upload(self, file: Path, number: int = 0) -> None:
        root = (await self.call("DOM.getDocument"))["root"]["nodeId"]
        found = await self.call("DOM.querySelectorAll", nodeId=root, selector="input[type=file]")
        await self.call("DOM.setFileInputFiles", nodeId=found["nodeIds"][number], files=[str(file)])

    async def picture(self, path: Path) -> None:
        path.write_bytes(base64.b64decode((await self.call("Page.captureScreenshot", format="png"))["data"]))


@pytest.fixture
def address(service):
    import uvicorn

    made = mounting.mount(app.create_app(service), service)
    server = uvicorn.Server(uvicorn.Config(made, port=0, log_level="error", timeout_graceful_shutdown=1))
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        time.sleep(0.05)
    yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}/"
    server.should_exit = True
    thread.join(20)


DIGEST = "[...document.querySelectorAll('code')].map(c => c.textContent).find(t => /^[0-9a-f]{12}$/.test(t))"


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("chromium") is None, reason="no chromium here")
@pytest.mark.parametrize(
    ("language", "width", "speak", "agree"),
    [("en-US", 1280, "🔊 Speak", "This voice is mine"), ("zh-CN", 390, "🔊 开始合成", "这是我本人的声音")],
)
def test_a_person_clones_speaks_and_changes_the_seed(
    address, tmp_path, clip, fake_engine, language, width, speak, agree
):
    async def walk() -> list[str]:
        async with Browser(tmp_path / "browser", language, width, 1500) as page:
            await page.call("Page.navigate", url=address)
            await page.until("document.querySelector('textarea') !== null")
            await page.until("[...document.querySelectorAll('input')].some(i => i.value === 'Ada')")
            await page.write("textarea", "Good morning.")
            wrong = tmp_path / "wrong.wav"
            wrong.write_bytes(b"MZ" + bytes(3000))
            await page.upload(wrong)
            await page.until("document.body.textContent.includes('not a sound file')")
            await page.call("Page.navigate", url=address)
            await page.until("[...document.querySelectorAll('input')].some(i => i.value === 'Ada')")
            await page.write("textarea", "Good morning.")
            digests = []
            for seed in ("100", "7"):
                await page.write("input[type=number]", seed)
                await asyncio.sleep(0.5)
                await page.click(speak)
                await page.until(f"({DIGEST}) && !{json.dumps(digests)}.includes({DIGEST})")
                digests.append(await page.js(DIGEST))
            await page.upload(clip)
            await page.until("document.body.textContent.includes('✅')")
            await page.click(speak)
            await page.until("/consent|同意/.test(document.querySelector('.toast-body')?.textContent ?? '')")
            await page.js(
                f"[...document.querySelectorAll('label')].find(l => l.textContent.includes({agree!r})).click()"
            )
            await asyncio.sleep(0.5)
            await page.click(speak)
            await page.until("[...document.querySelectorAll('strong')].some(s => s.textContent === 'clip')")
            await page.picture(tmp_path / f"studio-{language}.png")
            assert {url.split("/")[2] for url in page.asked if url.startswith("http")} == {address.split("/")[2]}
            return digests

    digests = asyncio.run(walk())
    from resay.voices import VoiceLibrary

    for seed, digest in zip((100, 7), digests, strict=True):
        said = fake_engine.say(Request("Good morning.", seed=seed), VoiceLibrary().get("Ada"), today=TODAY)
        assert said.audio.digest().removeprefix("sha256:").startswith(digest)
