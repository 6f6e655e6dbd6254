"""The server's dialect: what OpenAI's client and others get to hear and to read."""

from __future__ import annotations

import base64
import io
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest
import soundfile

from resay import audio, consent, manifest
from resay.manifest import Manifest
from resay.synthesis import Request
from resay.voices import SHIPPED, VoiceLibrary

pytest.importorskip("fastapi")
openai = pytest.importorskip("openai")
uvicorn = pytest.importorskip("uvicorn")

from starlette.testclient import TestClient  # noqa: E402

from resay.server import app, live  # noqa: E402
from resay.server.limits import Limits  # noqa: E402
from resay.server.service import Service, voice_id  # noqa: E402
from resay.server.turns import Busy, Turns  # noqa: E402

TODAY = date(2026, 3, 8)
TEXT = "Good morning. How are you today?"
LONG = " ".join(f"This is sentence number {number} of a long text." for number in range(40))


class SlowEngine:
    """Takes its time for every piece, and counts them."""

    def __init__(self, engine, seconds: float = 0.05) -> None:
        self.engine, self.digests, self.seconds, self.made = engine, engine.digests, seconds, 0

    def stream(self, request, voice, **options):
        for piece in self.engine.stream(request, voice, **options):
            time.sleep(self.seconds)
            self.made += 1
            yield piece


@pytest.fixture
def service(library, fake_engine, tmp_path) -> Service:
    return Service(fake_engine, tmp_path / "data", library.folders[-1], clock=lambda: TODAY)


@pytest.fixture
def port_of(served):
    """Serves services on free ports until the test ends."""
    return lambda service: served(app.create_app(service))


@pytest.fixture
def client(service, port_of):
    """OpenAI's own client, unchanged."""
    return openai.OpenAI(base_url=f"http://127.0.0.1:{port_of(service)}/v1", api_key="none", max_retries=0)


@pytest.fixture
def web(service):
    """A plain client, without a network between."""
    with TestClient(app.create_app(service), base_url="http://127.0.0.1") as client:
        yield client


def body(**fields):
    return {"model": "resay", "voice": "Ada", "input": TEXT, "response_format": "wav", **fields}


def problem(response, status: int) -> dict[str, object]:
    """Asserts a refusal of OpenAI's shape and gives its inside."""
    assert response.status_code == status, response.text
    assert set(response.json()) == {"error"}
    error = response.json()["error"]
    assert set(error) == {"message", "type", "param", "code"}
    assert "\n" not in error["message"]
    return error


@pytest.fixture
def expected(library, fake_engine):
    """What the engine itself says."""
    return lambda text=TEXT, seed=42: fake_engine.say(Request(text, seed=seed), library.get("Ada"), today=TODAY).audio


# Speech


def test_openai_client_makes_the_sound_of_the_engine(client, expected):
    answer = client.audio.speech.create(**body())
    assert answer.response.headers["x-resay-digest"] == expected().digest()
    assert answer.content == audio.encode(expected(), "wav")


def test_other_rate_is_the_sound_of_the_command(web, run, work):
    answer = web.post("/v1/audio/speech", json=body(sample_rate=32_000))
    run("speak", TEXT, "--voice", "Ada", "--sample-rate", "32000", "-o", "out.wav")
    assert answer.content == (work / "out.wav").read_bytes()
    assert (
        "opus cannot hold"
        in problem(web.post("/v1/audio/speech", json=body(sample_rate=32_000, response_format="opus")), 422)["message"]
    )


@pytest.mark.parametrize("file_format", ["wav", "mp3", "opus", "flac", "pcm"])
@pytest.mark.parametrize("text", [TEXT, LONG], ids=["short", "long"])
def test_every_format_holds_the_whole_sound(client, file_format, text, expected):
    answer = client.audio.speech.create(**body(response_format=file_format, input=text))
    wanted = expected(text)
    if file_format == "pcm":
        assert answer.content == wanted.pcm16().tobytes()
        return
    heard = audio.read(answer.content)
    assert heard.sample_rate in (wanted.sample_rate, 48_000)
    assert heard.seconds == pytest.approx(wanted.seconds, abs=0.15)
    if file_format in ("wav", "flac"):
        assert heard.digest() == wanted.digest()


def test_mp3_is_the_usual_format(web):
    answer = web.post("/v1/audio/speech", json={"model": "tts-1", "voice": "Ada", "input": TEXT})
    assert answer.headers["content-type"] == "audio/mpeg"
    assert soundfile.info(io.BytesIO(answer.content)).format == "MP3"


def test_aac_is_refused_in_plain_words(web):
    error = problem(web.post("/v1/audio/speech", json=body(response_format="aac")), 422)
    assert error["message"] == "response_format: aac is not offered; use wav, flac, mp3, opus, pcm"


def test_first_sound_leaves_before_the_last_is_made(service, port_of):
    service = replace(service, engine=SlowEngine(service.engine))
    client = openai.OpenAI(base_url=f"http://127.0.0.1:{port_of(service)}/v1", api_key="none")
    with client.audio.speech.with_streaming_response.create(**body(input=LONG)) as answer:
        parts = answer.iter_bytes(1024)
        next(parts)
        assert service.engine.made < 10
        rest = b"".join(parts)
    assert service.engine.made == 40
    assert len(rest) > 100_000


def test_short_texts_stream_when_asked(web, expected):
    with web.stream("POST", "/v1/audio/speech", json=body(stream_format="audio")) as answer:
        content = b"".join(answer.iter_raw())
        assert "content-length" not in answer.headers
    assert audio.read(content).digest() == expected().digest()


def test_sse_carries_sound_and_facts(web, expected):
    answer = web.post("/v1/audio/speech", json=body(stream_format="sse", response_format="pcm", subtitles="srt"))
    assert answer.headers["content-type"].startswith("text/event-stream")
    events = [json.loads(line.removeprefix("data: ")) for line in answer.text.splitlines() if line]
    assert {event["type"] for event in events[:-1]} == {"speech.audio.delta"}
    sound = b"".join(base64.b64decode(event["audio"]) for event in events[:-1])
    assert sound == expected().pcm16().tobytes()
    done = events[-1]
    assert done["type"] == "speech.audio.done"
    assert done["usage"]["total_tokens"] == done["usage"]["input_tokens"] + done["usage"]["output_tokens"]
    assert (done["seed"], done["digest"]) == (42, expected().digest())
    assert "Good morning." in done["subtitles"]


def test_seed_decides_and_is_told(web, expected):
    one = web.post("/v1/audio/speech", json=body(seed=100))
    other = web.post("/v1/audio/speech", json=body(seed=7))
    assert (one.headers["x-resay-seed"], other.headers["x-resay-seed"]) == ("100", "7")
    assert one.headers["x-resay-digest"] == expected(seed=100).digest() != other.headers["x-resay-digest"]


def test_manner_reaches_the_engine_and_the_manifest(web):
    manner = {"speed": 1.25, "accent": 0.5, "context": True, "style": "小明", "style_strength": 0.5, "language": "en"}
    drawn = {"sampling": "topk", "top_k": 7, "temperature": 0.6}
    answer = web.post("/v1/audio/speech", json=body(**manner, **drawn))
    kept = manifest.parse(web.get(f"/v1/manifests/{answer.headers['x-resay-manifest']}").content)
    wanted = {"speed": 1.25, "accent": 0.5, "context": True, "style_strength": 0.5, "language": "en"}
    assert {name: getattr(kept.request, name) for name in wanted} == wanted
    assert (kept.request.sampling.method, kept.request.sampling.top_k) == ("topk", 7)
    assert kept.inputs.style.name == "小明"


def test_drawn_seed_is_told_and_gives_the_same_again(web):
    drawn = web.post("/v1/audio/speech", json=body(seed="random"))
    again = web.post("/v1/audio/speech", json=body(seed=int(drawn.headers["x-resay-seed"])))
    assert again.content == drawn.content


def test_voice_may_be_an_id_and_unknown_fields_are_passed_over(web, expected):
    for voice in (voice_id("Ada"), {"id": voice_id("Ada")}, {"id": "Ada"}):
        answer = web.post("/v1/audio/speech", json=body(voice=voice, instructions="slowly", colour="blue"))
        assert answer.headers["x-resay-digest"] == expected().digest()


@pytest.mark.parametrize("name", ["Bob", "../own/小明", "/etc/passwd", "Ada.voice", "http://example.org/a.wav", ""])
def test_voice_is_never_a_path(web, name):
    assert problem(web.post("/v1/audio/speech", json=body(voice=name)), 422)["code"] == "unknown_voice"


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("speed", 9),
        ("speed", "fast"),
        ("seed", -1),
        ("seed", 2**63),
        ("seed", "maybe"),
        ("seed", 1.5),
        ("sampling", "dice"),
        ("top_k", 5),
        ("language", "xx"),
        ("sample_rate", 32_000_000),
        ("style", "nobody"),
        ("lexicon", {"重庆": "?!"}),
        ("lexicon", "nothing"),
        ("input", " "),
        ("input", None),
        ("input", "\ud800"),
        ("subtitles", "ass"),
        ("response_format", "ogg"),
    ],
)
def test_what_cannot_be_is_refused_in_openais_shape(web, field, value):
    error = problem(
        web.post(
            "/v1/audio/speech", content=json.dumps(body(**{field: value})), headers={"content-type": "application/json"}
        ),
        422 if value != "nothing" else 404,
    )
    assert error["type"] in ("invalid_request_error", "not_found_error")


def test_text_is_bounded_and_the_error_says_by_what(service, port_of):
    client = openai.OpenAI(
        base_url=f"http://127.0.0.1:{port_of(replace(service, limits=Limits(characters=10)))}/v1", api_key="x"
    )
    with pytest.raises(openai.APIStatusError, match="32 characters; this server speaks 10"):
        client.audio.speech.create(**body())


def test_expired_consent_is_silence(service, web, voice):
    ended = replace(consent.own("Eve"), until=TODAY.replace(year=2025))
    replace(voice, name="Eve", consent=ended).save(service.voices / "Eve.voice")
    assert problem(web.post("/v1/audio/speech", json=body(voice="Eve")), 403)["code"] == "consent_missing"


def test_cloned_voice_carries_a_signed_consent_that_can_be_withdrawn(service, web, clip):
    files = {"audio_sample": ("clip.wav", clip.read_bytes(), "audio/wav")}
    made = web.post("/v1/audio/voices", data={"name": "Eve", "consent": "own"}, files=files).json()
    agreed = consent.Consent.from_json(made["consent"])
    assert agreed.signature is not None
    assert agreed.clips == (manifest.digest_of(clip.read_bytes()),)
    assert web.post("/v1/audio/speech", json=body(voice="Eve")).status_code == 200
    consent.withdraw(agreed, TODAY)
    assert "withdrawn" in str(problem(web.post("/v1/audio/speech", json=body(voice="Eve")), 403)["message"])


def test_a_failure_before_the_first_sound_is_no_200(service, port_of):
    class Broken:
        def stream(self, request, voice, **options):
            raise RuntimeError("a secret path")
            yield

    import httpx

    port = port_of(replace(service, engine=Broken()))
    answer = httpx.post(f"http://127.0.0.1:{port}/v1/audio/speech", json=body(input=LONG))
    assert "secret" not in problem(answer, 500)["message"]


def test_a_failure_after_the_first_sound_breaks_the_connection(service, port_of):
    class Breaking:
        def stream(self, request, voice, **options):
            pieces = service.engine.stream(request, voice, **options)
            yield next(pieces)
            raise RuntimeError

    import httpx

    port = port_of(replace(service, engine=Breaking()))
    with pytest.raises(httpx.RemoteProtocolError):
        httpx.post(f"http://127.0.0.1:{port}/v1/audio/speech", json=body(input=LONG))


# Many at once


def empties(service: Service) -> bool:
    """Whether the house is empty soon: a thread leaves just after its client has heard the end."""
    end = time.monotonic() + 20
    while service.turns.inside and time.monotonic() < end:
        time.sleep(0.05)
    return service.turns.inside == 0


def test_32_clients_at_once_get_the_same_sound(client, expected):
    def digest(_: int) -> str:
        return audio.read(client.audio.speech.create(**body(input=LONG)).content).digest()

    with ThreadPoolExecutor(32) as pool:
        assert set(pool.map(digest, range(32))) == {expected(LONG).digest()}


def test_past_the_queue_it_is_429_with_a_time_to_come_back(service, port_of):
    import httpx

    service = replace(service, engine=SlowEngine(service.engine), limits=Limits(at_once=1, waiting=2))
    port = port_of(service)

    def post(_: int) -> httpx.Response:
        return httpx.post(f"http://127.0.0.1:{port}/v1/audio/speech", json=body(input=LONG), timeout=60)

    with ThreadPoolExecutor(12) as pool:
        answers = list(pool.map(post, range(12)))
    assert {answer.status_code for answer in answers} == {200, 429}
    refused = next(answer for answer in answers if answer.status_code == 429)
    assert int(refused.headers["retry-after"]) >= 1
    assert problem(refused, 429)["type"] == "rate_limit_error"
    assert empties(service)


def test_a_client_that_goes_away_stops_its_work(service, port_of):
    import httpx

    service = replace(service, engine=SlowEngine(service.engine))
    with httpx.stream("POST", f"http://127.0.0.1:{port_of(service)}/v1/audio/speech", json=body(input=LONG)) as answer:
        next(answer.iter_raw(100))
    assert empties(service)
    assert service.engine.made < 40


def test_a_client_that_goes_away_while_it_waits_stops_its_work(service, port_of):
    import httpx

    service = replace(service, engine=SlowEngine(service.engine, 0.3))
    url = f"http://127.0.0.1:{port_of(service)}/v1/audio/speech"
    with pytest.raises(httpx.ReadTimeout):
        httpx.post(url, json=body(input=LONG, response_format="flac"), timeout=0.5)
    assert empties(service)
    assert service.engine.made < 10


def test_turns_go_first_come_first_served():
    turns, order = Turns(1, 10), []
    with turns.turn():
        threads = []
        for number in range(5):
            threads.append(threading.Thread(target=lambda number=number: _note(turns, order, number)))
            threads[-1].start()
            time.sleep(0.02)
    for thread in threads:
        thread.join()
    assert order == [0, 1, 2, 3, 4]


def _note(turns: Turns, order: list[int], number: int) -> None:
    with turns.turn():
        order.append(number)


def test_a_full_house_says_so():
    turns = Turns(1, 1)
    with turns.place(), turns.place(), pytest.raises(Busy):
        turns.enter()


# What is kept


def test_manifest_is_kept_and_forgotten(web, expected):
    answer = web.post("/v1/audio/speech", json=body(input=LONG, subtitles="vtt"))
    name = answer.headers["x-resay-manifest"]
    kept = Manifest.from_json(web.get(f"/v1/manifests/{name}").json())
    assert kept.intact
    assert kept.output.digest == expected(LONG).digest()
    assert kept.inputs.text == manifest.digest_of(LONG.encode())
    assert web.get("/v1/manifests").json()["data"] == [name]
    assert web.get(answer.headers["x-resay-subtitles"]).text.startswith("WEBVTT")
    assert problem(web.get(f"/v1/manifests/{name}/subtitles/srt"), 404)
    assert web.delete(f"/v1/manifests/{name}").json()["data"] == []
    assert problem(web.get(f"/v1/manifests/{name}"), 404)


@pytest.mark.parametrize("file_format", ["wav", "mp3"])
def test_replay_makes_the_sound_again(web, file_format):
    web.put("/v1/lexicons/names", json={"entries": {"Ada": "EY1 D AH0"}})
    first = web.post("/v1/audio/speech", json=body(seed=7, style="小明", lexicon="names", response_format=file_format))
    record = first.headers["x-resay-manifest"]
    again = web.post(f"/v1/manifests/{record}/replay")
    assert again.content == first.content
    assert (again.headers["x-resay-identical"], again.headers["x-resay-way"]) == ("true", "seed")
    sent = web.post("/v1/manifests/replay", content=web.get(f"/v1/manifests/{record}").content)
    assert sent.headers["x-resay-digest"] == first.headers["x-resay-digest"]


def test_replay_names_what_stands_in_the_way(web, service):
    record = web.post("/v1/audio/speech", json=body(voice="小明", input="早上好")).headers["x-resay-manifest"]
    changed = web.get(f"/v1/manifests/{record}").content.replace(b"\xe6\x97\xa9", b"\xe6\x99\x9a")
    assert "manifest" in problem(web.post("/v1/manifests/replay", content=changed), 409)["message"]
    (service.voices / "小明.voice").unlink()
    assert "voice" in problem(web.post(f"/v1/manifests/{record}/replay"), 409)["message"]
    assert problem(web.post("/v1/manifests/replay", content=b"{}"), 422)


def test_only_the_newest_manifests_are_kept(service, port_of):
    import httpx

    port = port_of(replace(service, limits=Limits(records=3)))
    for seed in range(5):
        httpx.post(f"http://127.0.0.1:{port}/v1/audio/speech", json=body(seed=seed))
    ids = httpx.get(f"http://127.0.0.1:{port}/v1/manifests").json()["data"]
    seeds = [httpx.get(f"http://127.0.0.1:{port}/v1/manifests/{name}").json()["seed"] for name in ids]
    assert seeds == [4, 3, 2]


def test_lexicon_is_kept_and_wins(web):
    entries = {"entries": {"Ada": "EY1 D AH0"}}
    assert web.put("/v1/lexicons/names", json=entries).json()["entries"] == entries["entries"]
    assert web.get("/v1/lexicons").json()["data"] == ["names"]
    by_name = web.post("/v1/audio/speech", json=body(lexicon="names"))
    inline = web.post("/v1/audio/speech", json=body(lexicon=entries["entries"]))
    assert by_name.headers["x-resay-digest"] == inline.headers["x-resay-digest"]
    record = web.get(f"/v1/manifests/{by_name.headers['x-resay-manifest']}").json()
    assert record["inputs"]["lexicons"][0]["name"] == "names"
    assert web.delete("/v1/lexicons/names").json()["data"] == []


@pytest.mark.parametrize("name", ["..", "..%2f..%2fetc", ".hidden", "a:b", "a%00b", "x" * 200])
def test_lexicon_names_are_no_paths(web, name, tmp_path):
    def files() -> list[Path]:
        # The database's own side files come and go.
        return sorted(path for path in tmp_path.rglob("*") if path.is_file() and ".sqlite" not in path.name)

    before = files()
    assert web.put(f"/v1/lexicons/{name}", json={"entries": {"a": "AH0"}}).status_code in (404, 405, 422)
    assert files() == before


def test_roles_are_kept(web, monkeypatch, tmp_path):
    monkeypatch.setenv("RESAY_SEEDS", str(tmp_path / "seeds.jsonl"))
    kept = web.post("/v1/seeds", json={"name": "张老师", "seed": 42, "voice": "Ada", "scene": "lessons"}).json()
    assert (kept["number"], kept["seed"]) == (1, 42)
    assert web.get("/v1/seeds/张老师").json() == kept == web.get("/v1/seeds").json()["data"][0]
    assert problem(web.post("/v1/seeds", json={"name": "x", "seed": 1, "voice": "nobody"}), 422)
    assert web.delete("/v1/seeds/1").json() == kept
    assert problem(web.get("/v1/seeds/张老师"), 404)


# The service itself


def test_models_and_health(client, web):
    assert [model.id for model in client.models.list()] == ["resay"]
    assert client.models.retrieve("resay").id == "resay"
    assert problem(web.get("/v1/models/gpt"), 404)
    assert web.get("/healthz").text == "ok\n"
    assert web.get("/readyz").json()["status"] == "ready"


def test_metrics_count(web, expected):
    web.post("/v1/audio/speech", json=body())
    lines = web.get("/metrics").text.splitlines()
    assert 'resay_responses_total{status="200"} 1' in lines
    assert "resay_first_sound_seconds_count 1" in lines
    assert "resay_requests_inside 0" in lines
    seconds = next(line for line in lines if line.startswith("resay_audio_seconds_total "))
    assert float(seconds.split()[1]) == pytest.approx(expected().seconds, abs=1e-3)


def test_openapi_names_every_route(web):
    paths = web.get("/openapi.json").json()["paths"]
    wanted = "audio/speech audio/voices audio/voice_consents manifests seeds lexicons models".split()
    assert {f"/v1/{name}" for name in wanted} | {"/healthz", "/readyz", "/metrics"} <= set(paths)


def test_unknown_route_has_the_same_shape(web):
    assert problem(web.get("/v1/nothing"), 404)["type"] == "not_found_error"


def test_nothing_is_cached_and_nothing_is_sniffed(web):
    for answer in (web.get("/v1/audio/voices"), web.post("/v1/audio/speech", json=body()), web.get("/v1/nothing")):
        assert answer.headers["cache-control"] == "no-store"
        assert answer.headers["x-content-type-options"] == "nosniff"


# Text that arrives in pieces


@pytest.mark.parametrize(
    ("text", "sentences", "rest"),
    [
        ("", [], ""),
        ("Good mor", [], "Good mor"),
        ("Good morning.", [], "Good morning."),
        ("Good morning. How", ["Good morning."], " How"),
        ("Pi is 3.14 or so", [], "Pi is 3.14 or so"),
        ("早上好。你", ["早上好。"], "你"),
        ("早上好。", ["早上好。"], ""),
        ("他说：“走！”然后", ["他说：“走！”"], "然后"),
        ("What?! Yes", ["What?!"], " Yes"),
        ("one\ntwo", ["one\n"], "two"),
        ("\n\n a", [], " a"),
    ],
)
def test_sentences_are_taken_when_they_are_complete(text, sentences, rest):
    assert live.complete(text) == (sentences, rest)


def talk(service, *messages):
    heard = []
    with (
        TestClient(app.create_app(service), base_url="http://127.0.0.1") as client,
        client.websocket_connect("/v1/audio/speech/live", headers={"host": "127.0.0.1"}) as socket,
    ):
        for message in messages:
            socket.send_text(message if isinstance(message, str) else json.dumps(message))
        while True:
            message = socket.receive()
            if message["type"] == "websocket.close":
                return heard
            heard.append(message["bytes"] if message.get("bytes") is not None else json.loads(message["text"]))


def test_talking_speaks_every_sentence_as_it_is_alone(service, expected):
    pieces = [{"type": "text", "text": text} for text in ("Good mor", "ning. How are", " you today?")]
    heard = talk(service, {"type": "start", "voice": "Ada", "seed": 7}, *pieces, {"type": "end"})
    kinds = [message["type"] for message in heard if isinstance(message, dict)]
    assert kinds == ["started", "sentence", "spoken", "sentence", "spoken", "done"]
    digests = [message["digest"] for message in heard if isinstance(message, dict) and message["type"] == "spoken"]
    assert digests == [expected(text, 7).digest() for text in ("Good morning.", "How are you today?")]
    sound = b"".join(part for part in heard if isinstance(part, bytes))
    assert sound == b"".join(expected(text, 7).pcm16().tobytes() for text in ("Good morning.", "How are you today?"))


def test_talking_can_be_interrupted(service):
    slow = replace(service, engine=SlowEngine(service.engine, 0.2))
    messages = [
        {"type": "text", "text": LONG},
        {"type": "interrupt"},
        {"type": "text", "text": "Stop."},
        {"type": "end"},
    ]
    heard = talk(slow, {"type": "start", "voice": "Ada"}, *messages)
    told = [message for message in heard if isinstance(message, dict)]
    assert "interrupted" in [message["type"] for message in told]
    assert [message["text"] for message in told if message["type"] == "sentence"][-1] == "Stop."
    assert slow.engine.made < 5


@pytest.mark.parametrize(
    "messages",
    [
        ["no json"],
        ["[]"],
        [{"type": "text", "text": "x"}],
        [{"type": "start"}],
        [{"type": "start", "voice": "nobody"}],
        [{"type": "start", "voice": "Ada", "response_format": "flac"}],
        [{"type": "start", "voice": "Ada"}, {"type": "dance"}],
        [{"type": "start", "voice": "Ada"}, {"type": "text", "text": "x" * 30_000}],
    ],
)
def test_talking_nonsense_is_told_and_ends(service, messages):
    error = talk(service, *messages)[-1]
    assert error["type"] == "error"
    assert error["error"]["code"] in ("bad_option", "unknown_voice", "too_much")


def test_data_lies_in_the_folder_of_its_owner(service, web, tmp_path):
    web.post("/v1/audio/speech", json=body())
    written = {path.relative_to(tmp_path).parts[0] for path in tmp_path.rglob("*") if path.is_file()}
    assert written == {"data", "own", "shipped"}
    assert all(Path(path).suffix == ".json" for path in (service.folder / "local" / "records").iterdir())


# Clients


@pytest.mark.parametrize(
    ("program", "name"), [(sys.executable, "client.py"), ("bash", "client.sh"), ("node", "client.mjs")]
)
def test_example_clients_speak(service, port_of, expected, tmp_path, program, name):
    if shutil.which(program) is None:
        pytest.skip(f"no {program} here")
    target = tmp_path / "spoken.wav"
    place = {**os.environ, "RESAY_URL": f"http://127.0.0.1:{port_of(service)}", "RESAY_VOICE": "Ada"}
    script = Path(__file__).parent.parent / "examples" / name
    done = subprocess.run([program, script, TEXT, target], env=place, capture_output=True, text=True, timeout=180)
    assert done.returncode == 0, done.stderr
    assert "100" in done.stdout
    assert audio.read(target).digest() == expected(seed=100).digest()


def test_the_command_serves_32_clients_what_speak_says_until_it_is_told_to_stop(library, tmp_path):
    # With the weights themselves: the sound over the port is the sound of `resay speak`, byte for byte in every format.
    voice = next(iter(VoiceLibrary([SHIPPED]))).name
    formats = ("wav", "mp3", "opus", "flac", "pcm")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    place = {**os.environ, "RESAY_VOICES": str(tmp_path / "none")}
    command = [sys.executable, "-m", "resay", "serve", "--no-page", "--port", str(port), "--data", str(tmp_path / "d")]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=place) as server:
        assert f"http://127.0.0.1:{port}" in server.stderr.readline()
        client = openai.OpenAI(base_url=f"http://127.0.0.1:{port}/v1", api_key="none", max_retries=0)

        def spoken(number: int) -> tuple[str, bytes]:
            file_format = formats[number % len(formats)]
            wanted = body(voice=voice, input="Say it again.", response_format=file_format)
            return file_format, client.audio.speech.create(**wanted).content

        with ThreadPoolExecutor(32) as pool:
            answers = set(pool.map(spoken, range(32)))
        server.send_signal(signal.SIGTERM)
        assert server.wait(120) == 0
    assert len(answers) == len(formats)
    for file_format, content in answers:
        target = tmp_path / f"spoken.{file_format}"
        speak = [sys.executable, "-m", "resay", "speak", "Say it again.", "--voice", voice, "--format", file_format]
        subprocess.run([*speak, "-o", str(target)], check=True, env=place, capture_output=True)
        assert target.read_bytes() == content, file_format
