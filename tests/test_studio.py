"""The studio's page: its words, its pictures, its door, and a walk through it with a real browser."""

from __future__ import annotations

import asyncio
import importlib
import json
import re
import shutil
import threading
import time
import urllib.request
import zipfile
from datetime import date
from io import BytesIO
from pathlib import Path

import pytest

from resay import manifest, subtitles
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
ADA = "[...document.querySelectorAll('input')].some(i => i.offsetParent && i.value === 'Ada')"
LANGUAGES = pytest.mark.parametrize(("language", "width"), [("en-US", 1280), ("zh-CN", 390)], ids=["en", "zh"])
with_chromium = pytest.mark.skipif(shutil.which("chromium") is None, reason="no chromium here")


@pytest.fixture
def browse(monkeypatch, tmp_path, address):
    """Runs a walk through the page in a browser of its own, which may ask for nothing elsewhere."""
    monkeypatch.syspath_prepend(Path(__file__).resolve().parent.parent / "bench")
    browser = importlib.import_module("browser")

    def run(walk, language: str, width: int):
        async def guarded():
            async with browser.Browser(tmp_path / "browser", language, width, 1500) as page:
                await page.call("Page.navigate", url=address)
                await page.until(ADA)
                found = await walk(page, lambda name: words.WORDS[name][language.startswith("zh")])
                await page.picture(tmp_path / f"studio-{language}.png")
                assert {url.split("/")[2] for url in page.asked if url.startswith("http")} == {address.split("/")[2]}
                return found

        return asyncio.run(guarded())

    return run


@pytest.mark.slow
@with_chromium
@LANGUAGES
def test_a_person_clones_speaks_and_changes_the_seed(browse, run, tmp_path, clip, work, language, width):
    async def walk(page, word) -> list[tuple[str, float]]:
        wrong = tmp_path / "wrong.wav"
        wrong.write_bytes(b"MZ" + bytes(3000))
        await page.upload(wrong)
        await page.until("document.body.textContent.includes('not a sound file')")
        await page.reload()
        await page.until(ADA)
        await page.write("textarea", "Good morning.")
        heard = []
        for seed in ("100", "7"):
            await page.write("input[type=number]", seed)
            await asyncio.sleep(0.5)
            await page.click(word("go"))
            await page.until(f"({DIGEST}) && !{json.dumps([digest for digest, _ in heard])}.includes({DIGEST})")
            seconds = "[...document.querySelectorAll('audio')].map(a => a.duration).find(d => d > 0)"
            heard.append((await page.js(DIGEST), await page.until(seconds)))
        await page.upload(clip)
        await page.until("document.body.textContent.includes('✅')")
        await page.click(word("go"))
        await page.until("/consent|同意/.test(document.querySelector('.toast-body')?.textContent ?? '')")
        await page.tick(word("consent"))
        await page.click(word("go"))
        await page.until("[...document.querySelectorAll('strong')].some(s => s.textContent === 'clip')")
        return heard

    for seed, (digest, seconds) in zip((100, 7), browse(walk, language, width), strict=True):
        assert run("speak", "Good morning.", "--voice", "Ada", "--seed", seed, "-o", "out.wav")[0] == 0
        made = manifest.read(work / "out.json").output
        assert made.digest.removeprefix("sha256:").startswith(digest)
        assert seconds == pytest.approx(made.seconds, abs=0.02)


@pytest.mark.slow
@with_chromium
@LANGUAGES
def test_a_person_keeps_a_seed_and_speaks_a_batch(browse, run, service, tmp_path, work, language, width):
    table = tmp_path / "five.jsonl"
    lines = [{"output_name": f"item-{at}", "input_text": f"{at}. Good morning. 早上好。"} for at in range(5)]
    table.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")

    async def walk(page, word) -> str:
        await page.write("textarea", "Good morning.")
        await page.write("input[type=number]", "100")
        await asyncio.sleep(0.5)
        await page.click(word("go"))
        await page.until(DIGEST)
        await page.tab(word("seeds"))
        await page.write("input[type=text], textarea", "老师")
        await asyncio.sleep(0.5)
        await page.click(word("save"))
        await page.until("document.body.textContent.includes('老师')")
        await page.tab(word("speak"))
        await page.write("input[type=number]", "1")
        await page.tab(word("seeds"))
        await page.choose(word("role"), "老师")
        await page.click(word("recall"))
        await page.tab(word("speak"))
        await page.until("[...document.querySelectorAll('input[type=number]')].some(i => i.value === '100')")
        await page.tab(word("batch"))
        await page.click(word("hand_in"))
        await page.until(f"document.body.textContent.includes({word('need_table')!r})")
        await page.upload(table)
        await page.until("document.body.textContent.includes('five')")
        await page.click(word("hand_in"))
        await page.until(f"document.body.textContent.includes({word('need_seed')!r})")
        await page.write("input[type=number]", "7")
        await asyncio.sleep(0.5)
        await page.click(word("hand_in"))
        await page.until("document.querySelector('.resay-job[data-state=done]')")
        return await page.until("[...document.querySelectorAll('a')].map(a => a.href).find(h => h.endsWith('.zip'))")

    address = browse(walk, language, width)
    assert [(role.name, role.seed, role.voice) for role in service.local().seeds] == [("老师", 100, "Ada")]
    assert run("batch", table, "-o", "out", "--voice", "Ada", "--seed", "7")[0] == 0
    with urllib.request.urlopen(address) as answer:
        packed = zipfile.ZipFile(BytesIO(answer.read()))
    assert {name: packed.read(name) for name in packed.namelist()} == {
        path.name: path.read_bytes() for path in (work / "out").iterdir()
    }
