"""The Wyoming protocol, with its own client."""

from __future__ import annotations

import asyncio
import json
import socket
from datetime import date

import pytest

from resay.errors import BadOption
from resay.synthesis import Request

pytest.importorskip("fastapi")
pytest.importorskip("wyoming")

from wyoming.audio import AudioChunk, AudioStart, AudioStop
from wyoming.client import AsyncTcpClient
from wyoming.error import Error
from wyoming.info import Describe, Info
from wyoming.ping import Ping, Pong
from wyoming.tts import (
    Synthesize,
    SynthesizeChunk,
    SynthesizeStart,
    SynthesizeStop,
    SynthesizeStopped,
    SynthesizeVoice,
)

from resay.server import wyoming
from resay.server.service import Service

TODAY = date(2026, 3, 8)


@pytest.fixture
def service(library, fake_engine, tmp_path) -> Service:
    return Service(fake_engine, tmp_path / "data", library.folders[-1], clock=lambda: TODAY)


def talk(service, *events, key=None, last=(AudioStop, Error, Info, Pong)) -> list:
    """Sends events, and gives what came back up to one of the `last`."""

    async def conversation() -> list:
        door = wyoming.bound("127.0.0.1", 0)
        async with (
            wyoming.listening(service, door, key),
            AsyncTcpClient("127.0.0.1", door.getsockname()[1]) as client,
        ):
            for event in events:
                await client.write_event(event.event())
            found = []
            while (event := await asyncio.wait_for(client.read_event(), 20)) is not None:
                found.append(event)
                if any(kind.is_type(event.type) for kind in last):
                    return found
            return found

    return asyncio.run(conversation())


def sound(events) -> bytes:
    return b"".join(AudioChunk.from_event(event).audio for event in events if AudioChunk.is_type(event.type))


def test_voices_are_described(service):
    (program,) = Info.from_event(talk(service, Describe())[-1]).tts
    assert [voice.name for voice in program.voices] == ["Ada", "小明"]
    assert program.voices[1].languages == ["zh", "en"]
    assert program.supports_synthesize_streaming
    assert [speaker.name for speaker in program.voices[0].speakers] == ["42", "100", "999"]


@pytest.mark.parametrize(
    ("text", "asked", "name", "seed"),
    [
        ("Good morning. And you?", SynthesizeVoice("Ada", speaker="100"), "Ada", 100),
        ("Good morning.", None, "Ada", 42),
        ("早上好。", None, "小明", 42),
        ("早上好。", SynthesizeVoice(language="en-GB"), "Ada", 42),
    ],
)
def test_text_is_spoken_as_the_engine_speaks_it(service, fake_engine, library, text, asked, name, seed):
    events = talk(service, Synthesize(text, asked))
    start = AudioStart.from_event(events[0])
    assert (start.rate, start.width, start.channels) == (24_000, 2, 1)
    wanted = fake_engine.say(Request(text, seed=seed), library.get(name), today=TODAY).audio
    assert sound(events) == wanted.pcm16().tobytes()
    assert len(service.local().records(service.limits).ids()) == 1


def test_text_in_pieces_is_spoken_sentence_by_sentence(service, fake_engine, library):
    whole = "Good morning. How are you? Fine"
    pieces = [SynthesizeChunk(whole[at : at + 5]) for at in range(0, len(whole), 5)]
    start = SynthesizeStart(SynthesizeVoice("Ada"))
    # Clients send the whole text as well, for servers that cannot stream.
    events = talk(service, start, *pieces, Synthesize(whole), SynthesizeStop(), last=(SynthesizeStopped, Error))
    kinds = [event.type for event in events]
    assert (kinds[0], kinds[-2:], kinds.count("audio-start")) == (
        "audio-start",
        ["audio-stop", "synthesize-stopped"],
        1,
    )
    said = [
        fake_engine.say(Request(one), library.get("Ada"), today=TODAY).audio.pcm16().tobytes()
        for one in ("Good morning.", "How are you?", "Fine")
    ]
    assert sound(events) == b"".join(said)


@pytest.mark.parametrize(
    ("event", "problem"),
    [
        (Synthesize("Hi.", SynthesizeVoice("nobody")), "nobody"),
        (Synthesize("Hi.", SynthesizeVoice("/etc/passwd")), "passwd"),
        (Synthesize("Hi.", SynthesizeVoice("Ada", speaker="soft")), "seed"),
        (Synthesize("  ", SynthesizeVoice("Ada")), "nothing to speak"),
        (Synthesize("x" * 30_000, SynthesizeVoice("Ada")), "characters"),
    ],
)
def test_refusals_are_told_and_the_line_stays(service, event, problem):
    events = talk(service, event, Ping("still there"), last=(Pong,))
    assert problem in Error.from_event(events[0]).text
    assert Pong.from_event(events[-1]).text == "still there"


@pytest.mark.parametrize(
    "rubbish",
    [
        b"GET / HTTP/1.1\r\n\r\n",
        b'{"type": "synthesize", "data": 5}\n',
        b"[]\n",
        b"\xff\xfe\n",
        json.dumps({"type": "synthesize", "payload_length": 10**10}).encode() + b"\n",
        json.dumps({"type": "synthesize", "data_length": -5}).encode() + b"\n",
        b'{"type": "synthesize", "data": {"text": null}}\n',
        b"x" * 200_000,
    ],
)
def test_rubbish_ends_only_its_own_line(service, rubbish):
    async def conversation() -> None:
        door = wyoming.bound("127.0.0.1", 0)
        port = door.getsockname()[1]
        async with wyoming.listening(service, door, None):
            _, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(rubbish)
            await writer.drain()
            async with AsyncTcpClient("127.0.0.1", port) as client:
                await client.write_event(Describe().event())
                assert Info.is_type((await asyncio.wait_for(client.read_event(), 20)).type)
            writer.close()

    asyncio.run(conversation())


def test_keys_hold_here_too(service):
    service.keys.add("kitchen", ("speak",), TODAY)
    assert "key" in Error.from_event(talk(service, Describe())[0]).text
    (program,) = Info.from_event(talk(service, Describe(), key="kitchen")[0]).tts
    assert [voice.name for voice in program.voices] == ["Ada"]  # 小明 belongs to the person at this machine
    for name in (None, "cellar"):
        with pytest.raises(BadOption):
            wyoming.require_speaker(service, name)
    wyoming.require_speaker(service, "kitchen")


def test_taken_port_is_told():
    with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(BadOption, match="cannot be used"):
        wyoming.bound("127.0.0.1", taken.getsockname()[1])
