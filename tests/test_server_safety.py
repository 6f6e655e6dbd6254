"""The server's door: keys, scopes, other people's things, foreign pages, hostile uploads."""

from __future__ import annotations

import importlib
import json
import os
import random
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest

from resay import audio, consent, voices
from resay.audio import Audio
from resay.cli import main
from resay.errors import BadOption

pytest.importorskip("fastapi")

from starlette.testclient import TestClient

from resay.server import app, keys, records, sessions
from resay.server.limits import Limits
from resay.server.running import require_keys
from resay.server.service import Service

TODAY = date(2026, 3, 8)
SPEECH = {"model": "resay", "voice": "Ada", "input": "Hello.", "response_format": "wav"}


@pytest.fixture
def service(library, fake_engine, tmp_path) -> Service:
    limits = Limits(upload_bytes=600_000, clip_seconds=20)
    return Service(fake_engine, tmp_path / "data", library.folders[-1], limits, clock=lambda: TODAY)


@pytest.fixture
def web(service):
    with TestClient(app.create_app(service), base_url="http://127.0.0.1", raise_server_exceptions=False) as client:
        yield client


@pytest.fixture
def key(service):
    """Makes a key; gives the headers of whoever holds it."""

    def make(name: str, *scopes: str) -> dict[str, str]:
        _, secret = service.keys.add(name, scopes or keys.SCOPES, TODAY)
        return {"Authorization": f"Bearer {secret}"}

    return make


def clip_of(seconds: float, clip, file_format: str = "wav") -> bytes:
    sound = audio.read(clip)
    return audio.encode(Audio(sound.samples[: int(seconds * sound.sample_rate)], sound.sample_rate), file_format)


def problem(response, status: int) -> str:
    assert response.status_code == status, response.text
    return response.json()["error"]["message"]


def upload(web, content: bytes, name: str = "Eve", headers=None, **fields):
    files = {"audio_sample": ("clip.wav", content, "audio/wav")}
    return web.post("/v1/audio/voices", data={"name": name, **fields}, files=files, headers=headers)


def files(folder: Path) -> list[Path]:
    """All but the database's side files, which come and go, and this machine's key, which the first consent makes."""
    found = (path for path in folder.rglob("*") if path.is_file())
    return sorted(path for path in found if ".sqlite" not in path.name and path.name != "signing.key")


# Keys


def test_without_keys_the_person_at_this_machine_speaks(web):
    assert web.post("/v1/audio/speech", json=SPEECH).status_code == 200
    assert web.post("/v1/audio/speech", json=SPEECH, headers={"Authorization": "Bearer none"}).status_code == 200


@pytest.mark.parametrize("host", ["0.0.0.0", "192.168.1.7", "::", "example.org"])
def test_without_keys_other_hosts_are_refused(host):
    with pytest.raises(BadOption, match="resay key add"):
        require_keys(host, has_keys=False)
    require_keys(host, has_keys=True)


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "::1", "127.9.9.9"])
def test_loopback_needs_no_key(host):
    require_keys(host, has_keys=False)


ROUTES = [
    ("POST", "/v1/audio/speech"),
    ("GET", "/v1/audio/voices"),
    ("POST", "/v1/audio/voices"),
    ("DELETE", "/v1/audio/voices/Ada"),
    ("GET", "/v1/audio/voice_consents"),
    ("GET", "/v1/manifests"),
    ("GET", "/v1/models"),
    ("PUT", "/v1/lexicons/x"),
    ("GET", "/v1/seeds"),
    ("GET", "/metrics"),
]


@pytest.mark.parametrize(("method", "path"), ROUTES)
@pytest.mark.parametrize("header", [None, "Bearer wrong", "Basic eDp5", "Bearer ", "bearer\tx"])
def test_once_there_is_a_key_nothing_goes_without_one(web, key, method, path, header):
    key("somebody")
    answer = web.request(method, path, headers={} if header is None else {"Authorization": header})
    if answer.status_code != 422:  # a body that is none is told first
        problem(answer, 401)
        assert answer.headers["www-authenticate"] == "Bearer"


def test_speaking_without_a_key_is_refused_once_there_is_one(web, key):
    holder = key("somebody")
    problem(web.post("/v1/audio/speech", json=SPEECH), 401)
    assert web.post("/v1/audio/speech", json=SPEECH, headers=holder).status_code == 200
    for open_to_all in ("/healthz", "/readyz"):
        assert web.get(open_to_all).status_code == 200


def test_a_key_that_is_removed_opens_nothing(web, service, key):
    gone, _ = key("gone"), key("other")
    service.keys.remove("gone")
    problem(web.post("/v1/audio/speech", json=SPEECH, headers=gone), 401)


def test_when_the_last_key_is_removed_a_public_server_stays_shut(service, key):
    public = replace(service, open_to_all=False)
    holder = key("last")
    with TestClient(app.create_app(public), base_url="http://example.org") as web:
        assert web.post("/v1/audio/speech", json=SPEECH, headers=holder).status_code == 200
        service.keys.remove("last")
        problem(web.post("/v1/audio/speech", json=SPEECH, headers=holder), 401)


def test_scopes_divide_speaking_from_managing(web, key, clip):
    speaks = key("speaker", "speak")
    assert web.post("/v1/audio/speech", json=SPEECH, headers=speaks).status_code == 200
    assert "manage" in problem(upload(web, clip.read_bytes(), headers=speaks, consent="own"), 403)
    problem(web.put("/v1/lexicons/x", json={"entries": {"a": "EY1"}}, headers=speaks), 403)
    manages = key("manager", "manage")
    problem(web.post("/v1/audio/speech", json=SPEECH, headers=manages), 403)


def test_a_damaged_list_of_keys_lets_nobody_in(web, service, key):
    key("somebody")
    (service.folder / "keys.json").write_text("{")
    problem(web.post("/v1/audio/speech", json=SPEECH), 422)


def test_secrets_are_kept_as_hashes_only(service, key):
    holder = key("somebody")
    secret = holder["Authorization"].removeprefix("Bearer ")
    file = service.folder / "keys.json"
    assert secret not in file.read_text()
    assert file.stat().st_mode & 0o077 == 0
    assert len(secret) > 40


def test_key_commands(work, capsys):
    assert main(["key", "add", "studio", "--scope", "speak", "--data", "d"]) == 0
    secret = capsys.readouterr().out.splitlines()[-1]
    assert keys.Keys(work / "d" / "keys.json").find(secret).scopes == ("speak",)
    assert main(["key", "list", "--json", "--data", "d"]) == 0
    listed = json.loads(capsys.readouterr().out)["keys"]
    assert [entry["name"] for entry in listed] == ["studio"]
    assert secret not in json.dumps(listed)
    assert main(["key", "add", "studio", "--data", "d"]) == 2
    assert main(["key", "add", "<b>", "--data", "d"]) == 2
    assert main(["key", "remove", listed[0]["id"], "--data", "d"]) == 0
    assert main(["key", "remove", "studio", "--data", "d"]) == 2


def test_serving_others_without_a_key_is_refused_by_the_command(fake_engine, work, capsys):
    assert main(["serve", "--host", "0.0.0.0", "--data", "d"]) == 2
    assert "resay key add" in capsys.readouterr().err


# What is another's


def test_voices_consents_and_manifests_are_their_owners_alone(web, key, clip):
    one, other = key("one"), key("other")
    made = upload(web, clip.read_bytes(), headers=one, consent="own").json()
    assert web.get(f"/v1/audio/voices/{made['id']}", headers=one).json()["name"] == "Eve"
    names = [voice["name"] for voice in web.get("/v1/audio/voices", headers=other).json()["data"]]
    assert names == ["Ada"]
    problem(web.get(f"/v1/audio/voices/{made['id']}", headers=other), 404)
    problem(web.post("/v1/audio/speech", json={**SPEECH, "voice": "Eve"}, headers=other), 422)
    problem(web.delete("/v1/audio/voices/Eve", headers=other), 404)
    record = web.post("/v1/audio/speech", json={**SPEECH, "voice": "Eve"}, headers=one).headers["x-resay-manifest"]
    problem(web.get(f"/v1/manifests/{record}", headers=other), 404)
    given = give_consent(web, clip.read_bytes(), headers=one).json()
    problem(web.get(f"/v1/audio/voice_consents/{given['id']}", headers=other), 404)
    problem(upload(web, clip.read_bytes(), "Zed", headers=other, consent=given["id"]), 404)
    assert web.get("/v1/audio/voice_consents", headers=other).json()["data"] == []
    # The same name is free for everybody: nobody learns what others have.
    assert upload(web, clip.read_bytes(), headers=other, consent="own").status_code == 200


def test_the_users_own_voices_are_not_a_keys(web, key):
    assert "小明" in [voice["name"] for voice in web.get("/v1/audio/voices").json()["data"]]
    holder = key("one")
    assert "小明" not in [voice["name"] for voice in web.get("/v1/audio/voices", headers=holder).json()["data"]]


# Consent


def give_consent(web, content: bytes, headers=None, **fields):
    data = {"name": "Eve", "language": "en-GB", **fields}
    files = {"recording": ("consent.wav", content, "audio/wav")}
    return web.post("/v1/audio/voice_consents", data=data, files=files, headers=headers)


def test_a_voice_rests_on_a_consent_and_goes_with_it(web, clip):
    given = give_consent(web, clip.read_bytes(), until="2027-01-01").json()
    assert (given["object"], given["language"], given["uses"]) == ("audio.voice_consent", "en-GB", ["speak"])
    made = upload(web, clip.read_bytes(), consent=given["id"]).json()
    assert made["consent"]["speaker"] == "Eve"
    assert made["consent"]["until"] == "2027-01-01"
    assert web.get("/v1/audio/voice_consents").json()["data"] == [given]
    renamed = web.post(f"/v1/audio/voice_consents/{given['id']}", json={"name": "Eva"}).json()
    assert renamed["name"] == "Eva"
    gone = web.delete(f"/v1/audio/voice_consents/{given['id']}").json()
    assert (gone["deleted"], gone["voices"]) == (True, ["Eve"])
    problem(web.post("/v1/audio/speech", json={**SPEECH, "voice": "Eve"}), 422)


def test_consent_is_good_for_one_voice_only(web, service, clip):
    other = audio.read(clip)
    stranger = audio.encode(Audio(other.samples[::-1].copy() * 0.7, other.sample_rate), "wav")
    given = give_consent(web, stranger).json()
    assert "does not sound like Eve" in problem(upload(web, clip.read_bytes(), consent=given["id"]), 403)
    assert "Eve" not in voices.VoiceLibrary()


@pytest.mark.parametrize("choice", [None, ""])
def test_nothing_is_cloned_without_consent(web, clip, choice):
    answer = upload(web, clip.read_bytes(), **({} if choice is None else {"consent": choice}))
    assert "needs consent" in problem(answer, 403)


def test_a_written_record_is_a_consent(web, clip):
    record = {"speaker": "Eve", "uses": ["speak"], "until": "2999-01-01", "statement": "I agree.", "kind": "embedded"}
    made = upload(web, clip.read_bytes(), consent=json.dumps(record)).json()
    assert made["consent"]["kind"] == consent.Kind.WRITTEN.value
    ended = json.dumps({**record, "until": "2025-01-01"})
    problem(upload(web, clip.read_bytes(), "Old", consent=ended), 403)


@pytest.mark.parametrize(
    ("field", "value"),
    [("language", "english please"), ("uses", "sell"), ("uses", ","), ("until", "soon"), ("name", " ")],
)
def test_half_a_consent_is_none(web, clip, field, value):
    problem(give_consent(web, clip.read_bytes(), **{field: value}), 422)
    assert web.get("/v1/audio/voice_consents").json()["data"] == []


# Pages of other sites


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://127.0.0.1:9999"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
    ],
)
def test_other_sites_can_change_nothing(web, headers):
    problem(web.post("/v1/audio/speech", json=SPEECH, headers=headers), 403)


def test_our_own_page_can(web):
    headers = {"Origin": "http://127.0.0.1", "Sec-Fetch-Site": "same-origin"}
    assert web.post("/v1/audio/speech", json=SPEECH, headers=headers).status_code == 200


@pytest.mark.parametrize("host", ["evil.example", "evil.example:8080", "", "[", "127.0.0.1.evil.example"])
def test_a_name_made_to_point_here_is_refused(web, host):
    problem(web.get("/v1/audio/voices", headers={"Host": host}), 403)


def test_sessions_are_signed_and_end(tmp_path):
    cookie = sessions.made(tmp_path, "abc", now=1000.0)
    assert sessions.key_of(tmp_path, cookie, now=1001.0) == "abc"
    assert sessions.key_of(tmp_path, cookie, now=1001.0 + sessions.LASTS) is None
    for forged in ("", "x", cookie[:-1], cookie.replace("abc", "abd"), "abc.99999999999." + cookie.rpartition(".")[2]):
        assert sessions.key_of(tmp_path, forged, now=1001.0) is None


# Hostile uploads


@pytest.fixture
def fuzz_server(monkeypatch):
    pytest.importorskip("schemathesis")
    monkeypatch.syspath_prepend(Path(__file__).resolve().parent.parent / "bench")
    return importlib.import_module("fuzz_server")


def test_200_hostile_uploads_harm_nothing(web, tmp_path, clip, fuzz_server):
    def post(number: int, content: bytes):
        answer = upload(web, content, f"../{number}" if number % 5 == 0 else f"v{number}", consent="own")
        assert answer.status_code in (200, 413, 422), (number, answer.text)
        if answer.status_code == 200:  # a few broken bytes in the head of a clip can do no harm
            web.delete(f"/v1/audio/voices/v{number}")
        return answer

    before = files(tmp_path)
    report = fuzz_server.uploads(fuzz_server.hostile(clip_of(1.5, clip)), post)
    assert report.faults == []
    statuses = sum(report.statuses.values(), Counter())
    assert statuses.total() == 200
    assert statuses[200] < 60
    assert not any(report.statuses[kind][200] for kind in ("archive", "renamed program or page"))
    assert files(tmp_path) == before


def test_a_head_that_claims_ten_gigabytes_takes_no_memory(web, fuzz_server):
    for claim in (10 * 2**28, 10 * 2**30, 2**62):
        answer = upload(web, fuzz_server.wav(claim=claim), consent="own")
        assert problem(answer, 422)
    assert fuzz_server.wav(claim=10 * 2**30).startswith(b"RF64")


@pytest.mark.parametrize(
    "name", ["..", "../x", "/etc/passwd", "a\0b", "a/b", "CON:", "x" * 300, "", ".x", "<img src=x>"]
)
def test_names_are_no_paths_and_no_html(web, clip, name, tmp_path):
    before = files(tmp_path)
    problem(upload(web, clip.read_bytes(), name, consent="own"), 422)
    assert files(tmp_path) == before


def test_a_body_that_is_too_long_is_refused_before_it_is_read(web):
    answer = upload(web, bytes(700_000), consent="own")
    assert "600000 bytes" in problem(answer, 413)


def test_a_body_that_lies_about_its_length_is_cut_off(web):
    def endless():
        for _ in range(100):
            yield bytes(100_000)

    answer = web.post("/v1/audio/speech", content=endless(), headers={"Content-Type": "application/json"})
    assert "600000 bytes" in problem(answer, 413)


def test_a_clip_that_is_too_long_is_refused(web, fuzz_server):
    assert "longer than 20 s" in problem(upload(web, fuzz_server.silence("FLAC", "PCM_16", 60), consent="own"), 422)


@pytest.mark.parametrize(
    "content",
    [b"{", b"[]", b"null", b"[" * 100_000, b'{"input": 1e999}', b"\xff\xfe", b'{"input": "\\ud800", "voice": "Ada"}'],
)
def test_broken_json_is_refused_in_one_line(web, content):
    answer = web.post("/v1/audio/speech", content=content, headers={"Content-Type": "application/json"})
    assert "\n" not in problem(answer, 422)


def test_clip_reports_say_what_spoils_a_voice(web, clip):
    report = web.post("/v1/audio/clip_reports", files={"audio_sample": ("x", clip.read_bytes())}).json()
    assert report["accepted"]
    short = web.post("/v1/audio/clip_reports", files={"audio_sample": ("x", clip_of(0.5, clip))}).json()
    assert not short["accepted"]
    assert short["report"]["findings"][0]["code"] == "too_short"


def test_records_that_another_request_forgets_meanwhile_are_no_error(tmp_path):
    """Many requests at once all look for the oldest, and each finds files gone that it has just seen."""
    kept = records.Records(tmp_path, 3)
    with ThreadPoolExecutor(16) as pool:
        list(pool.map(lambda number: kept.add(f"{number:032x}", b"{}", None), range(400)))
    kept.add("f" * 32, b"{}", None)
    assert len(kept.ids()) == 3
    assert kept.ids()[0] == "f" * 32


def test_a_full_folder_of_records_is_seldom_looked_through(tmp_path, monkeypatch):
    kept, looks, scan = records.Records(tmp_path, 200), [], os.scandir
    monkeypatch.setattr(os, "scandir", lambda folder: looks.append(folder) or scan(folder))
    most, drawn = 0, random.Random(0)
    for number in range(600):
        kept.add(f"{drawn.getrandbits(128):032x}", b"{}", ("srt", "words") if number % 2 else None)
        most = max(most, sum(path.name.endswith(".json") for path in tmp_path.iterdir()))
    monkeypatch.undo()
    assert len(looks) < 200
    assert 200 <= most < 240
    kept.add("0" * 32, b"{}", None)  # a number after which one looks
    assert len(kept.ids()) == 200
    assert len(list(tmp_path.glob("*.srt"))) <= 101  # subtitles go with their manifest
