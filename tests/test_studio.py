"""The studio's page: its words, its pictures, its door, and a walk through it with a real browser."""

from __future__ import annotations

import asyncio
import hashlib
import importlib
import json
import re
import shutil
import threading
import time
import urllib.request
import zipfile
from dataclasses import replace
from datetime import date
from io import BytesIO
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from resay import audition, compare, manifest, quality, subtitles
from resay.audio import Audio
from resay.errors import BadAudio
from resay.gate import checking
from resay.prosody import Sampling
from resay.synthesis import Request

pytest.importorskip("gradio")

from starlette.testclient import TestClient

from resay.server import app, problems
from resay.server.service import Service
from resay.server.speech import Manner
from resay.studio import hearing, mounting, speaking, trying, words

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


CHINESE, ENGLISH = (SimpleNamespace(headers={"accept-language": tag}) for tag in ("zh-CN,zh;q=0.9", "en-GB"))
"""Visitors."""


def test_everything_that_is_found_in_a_clip_is_told_in_both_languages(buzz):
    sources = [Path(module.__file__).read_text(encoding="utf-8") for module in (quality, checking)]
    codes = set(re.findall(r"""[fF]inding\(\s*"(\w+)",\s*"(?:refusal|warning|advice)\"""", sources[0]))
    codes |= {code for code, *_ in checking.DISTURBANCES.values()} | {"silence_head", "silence_tail"}
    assert codes == set(words.FINDINGS)
    report = quality.check(buzz(0.4))
    assert "太短" in speaking.told_report(report, CHINESE)
    assert report.findings[0].message in speaking.told_report(report, ENGLISH)


def test_refusals_say_in_chinese_what_they_are_about():
    refusal = BadAudio("the recording is empty")
    assert words.problem(refusal, ENGLISH) == "the recording is empty"
    assert re.fullmatch(r"音频不可用.*：the recording is empty", words.problem(refusal, CHINESE))
    assert words.problem(problems.Busy(3), CHINESE).startswith("服务器正忙")


def test_a_clip_of_two_people_or_with_music_is_told_but_may_be_used():
    """Only what leaves no voice at all is refused; what else spoils it is for its owner to decide."""
    found = quality.finding("music", "refusal", "music", "it hums", "record again")
    told = speaking.told_report(replace(quality.check(Audio(np.zeros(100, np.float32))), findings=(found,)), ENGLISH)
    assert "✅" in told
    assert "⚠️ music" in told


@pytest.mark.parametrize(
    ("written", "fine"),
    [("42", True), ("0", True), ("", False), ("-1", False), ("4.2", False), ("٣", False), ("9" * 19, False)],
)
def test_seed_is_a_whole_number(written, fine):
    assert speaking.is_seed(written) is fine


@pytest.mark.parametrize(
    ("variable", "values", "found"),
    [
        ("seed", "42， 100,999", ["42", "100", "999"]),
        ("voice", "Ada, 小明", ["Ada", "小明"]),
        ("punctuation", "One, two.\nOne. Two.", ["One, two.", "One. Two."]),
        ("sampling", "", []),
    ],
)
def test_values_of_an_audition_are_read_as_written(variable, values, found):
    assert trying.listed(variable, values) == found
    assert set(trying.VARIED) == set(audition.VARIABLES)


def test_fields_say_what_a_request_takes():
    usual = speaking.MannerFields("auto", 1.0, "topk", 0.8, 9.0, "", 1.0, 0.5, "", "mp3", 32_000, True)
    manner = Manner.model_validate({"voice": "Ada", **speaking.wanted_fields(usual)})
    request = manner.request("Hi.")
    assert (request.sampling, request.accent, request.context) == (
        Sampling("topk", top_k=9, temperature=0.8),
        0.5,
        True,
    )
    greedy = speaking.wanted_fields(usual._replace(sampling="greedy"))
    assert not {"top_k", "temperature"} & greedy.keys()


def test_two_sounds_are_compared_by_the_three_criteria(buzz):
    same = trying.told_criteria(compare.compare(buzz(2.0), buzz(2.0)), CHINESE)
    other = trying.told_criteria(compare.compare(buzz(2.0), buzz(3.0)), ENGLISH)
    assert (same.count("✅"), same.count("❌")) == (3, 0)
    assert "❌" in other


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


def test_every_route_that_changes_something_wants_a_key(web, service):
    """Those of the page's library too: it does not ask at all of them itself."""
    service.keys.add("me", ("speak", "manage"), TODAY)
    paths = {"POST /session": 422}
    for path, operations in web.get("/openapi.json").json()["paths"].items():
        for method in operations.keys() - {"get"}:
            paths[f"{method.upper()} {re.sub('{.*?}', 'x', path)}"] = 401
    for path in ("upload", "queue/join", "run/x", "call/x", "reset", "cancel", "stream/x", "process_recording"):
        paths[f"POST /gradio_api/{path}"] = 401
    paths["POST /login"] = 401
    assert {path: web.request(*path.split()).status_code for path in paths} == paths


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
    """What is heard is, byte for byte, the file of the command line; another seed never plays the old one."""

    async def walk(page, word) -> list[tuple[float, str]]:
        wrong = tmp_path / "wrong.wav"
        wrong.write_bytes(b"MZ" + bytes(3000))
        await page.upload(wrong)
        await page.says("not a sound file")
        await page.reload()
        await page.until(ADA)
        await page.write("textarea", "Good morning.")
        heard = [(0.0, "")]
        for seed in ("100", "7"):
            await page.write("input[type=number]", seed)
            await page.click(word("go"))
            heard.append(await page.played(word("sound"), unlike=heard[-1][1]))
            await page.until(f"[...document.querySelectorAll('strong')].some(s => s.textContent === {seed!r})")
        await page.upload(clip)
        await page.says("✅")
        await page.click(word("go"))
        await page.until("/consent|同意/.test(document.querySelector('.toast-body')?.textContent ?? '')")
        await page.tick(word("consent"))
        await page.write("input[type=number]", "100")
        await page.click(word("go"))
        await page.until("[...document.querySelectorAll('strong')].some(s => s.textContent === 'clip')")
        heard.append(await page.played(word("sound"), unlike=heard[-1][1]))
        return heard[1:]

    wanted = []
    for seed, voice in ((100, ("Ada",)), (7, ("Ada",)), (100, (clip, "--consent", "own"))):
        assert run("speak", "Good morning.", "--voice", *voice, "--seed", seed, "-o", "out.wav")[0] == 0
        made = (work / "out.wav").read_bytes()
        wanted.append((manifest.read(work / "out.json").output.seconds, hashlib.sha256(made).hexdigest()))
    heard = browse(walk, language, width)
    assert [digest for _, digest in heard] == [digest for _, digest in wanted]
    assert [seconds for seconds, _ in heard] == pytest.approx([seconds for seconds, _ in wanted], abs=0.02)


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
        await page.click(word("go"))
        await page.until(DIGEST)
        await page.tab(word("seeds"))
        await page.write("input[type=text], textarea", "老师")
        await page.click(word("save"))
        await page.says("老师")
        await page.tab(word("speak"))
        await page.write("input[type=number]", "1")
        await page.tab(word("seeds"))
        await page.choose(word("role"), "老师")
        await page.click(word("recall"))
        await page.tab(word("speak"))
        await page.until("[...document.querySelectorAll('input[type=number]')].some(i => i.value === '100')")
        await page.tab(word("batch"))
        await page.click(word("hand_in"))
        await page.says(word("need_table"))
        await page.upload(table)
        await page.says("five")
        await page.click(word("hand_in"))
        await page.says(word("need_seed"))
        await page.write("input[type=text]:not([role]), textarea", "7", label=word("batch_seed"))
        await page.click(word("hand_in"))
        await page.until("!!document.querySelector('.resay-job[data-state=done]')")
        return await page.until("[...document.querySelectorAll('a')].map(a => a.href).find(h => h.endsWith('.zip'))")

    address = browse(walk, language, width)
    assert [(role.name, role.seed, role.voice) for role in service.local().seeds] == [("老师", 100, "Ada")]
    assert run("batch", table, "-o", "out", "--voice", "Ada", "--seed", "7")[0] == 0
    with urllib.request.urlopen(address) as answer:
        packed = zipfile.ZipFile(BytesIO(answer.read()))
    assert {name: packed.read(name) for name in packed.namelist()} == {
        path.name: path.read_bytes() for path in (work / "out").iterdir()
    }


@pytest.mark.slow
@with_chromium
@LANGUAGES
def test_a_person_auditions_writes_readings_and_replays(browse, run, service, tmp_path, work, language, width):
    assert run("speak", "Good morning.", "--voice", "Ada", "--seed", "5", "--format", "flac", "-o", "five.flac")[0] == 0
    assert run("speak", "Good morning.", "--voice", "Ada", "--seed", "6", "-o", "six.wav")[0] == 0

    async def walk(page, word) -> tuple[float, str]:
        await page.click(word("free"))
        await page.says(word("freed"))
        await page.tab(word("lexicon"))
        await page.write("textarea", "重庆 = chóng qìng")
        await page.click(word("save"))
        await page.says(word("saved").format(name="my", count=1))
        await page.tab(word("audition"))
        await page.write("textarea", "Good morning.")
        await page.click(word("compare"))
        await page.until("[...document.querySelectorAll('input[type=radio]')].some(i => i.value === 'seed 999')")
        await page.js("[...document.querySelectorAll('input[type=radio]')].find(i => i.value === 'seed 999').click()")
        await page.write("input[type=text]:not([role]), textarea", "旁白", label=word("role"))
        await page.click(word("save_chosen"))
        await page.says(word("role_saved").format(name="旁白", voice="Ada", seed=999))
        await page.tab(word("replay"))
        await page.upload(work / "five.json")
        await page.says("five.json")
        await page.click(word("make_again"))
        await page.says(word("identical"))
        heard = await page.played(word("sound"))
        await page.upload(work / "five.flac", word("first_sound"))
        await page.upload(work / "six.wav", word("second_sound"))
        await page.click(word("measure"))
        await page.says("❌")
        return heard

    _, digest = browse(walk, language, width)
    assert digest == hashlib.sha256((work / "five.flac").read_bytes()).hexdigest()
    assert [(role.name, role.seed, bool(role.accepted)) for role in service.local().seeds] == [("旁白", 999, True)]
    assert (service.local().lexicons / "my.jsonl").is_file()
