"""Worker processes: the engine's own sounds and refusals, nothing lost when one dies, and one memory of the weights."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest

from resay import consent
from resay.audio import Audio
from resay.errors import BadAudio, BadText, ConsentMissing
from resay.synthesis import SHIPPED, Request

pytest.importorskip("fastapi")
if not hasattr(os, "fork"):
    pytest.skip("this system cannot fork", allow_module_level=True)

from resay.server import memory
from resay.server.workers import Workers

LONG = Request(" ".join(f"This is sentence number {number}." for number in range(12)))


@pytest.fixture
def workers(fake_engine) -> Workers:
    fake_engine.shape = {}
    return Workers(fake_engine, 2)


def test_workers_say_what_the_engine_says(workers, fake_engine, voice):
    assert workers.digests == fake_engine.digests
    wanted = fake_engine.say(LONG, voice).audio.digest()
    found: list[str] = []
    threads = [threading.Thread(target=lambda: found.append(workers.say(LONG, voice).audio.digest())) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [wanted] * 6


def test_what_the_engine_refuses_is_refused_at_once(workers, voice, buzz):
    with pytest.raises(BadText):
        workers.stream(Request("नमस्ते"), voice)
    withdrawn = replace(voice, consent=replace(voice.consent, uses=(consent.Use.TUNE,)))
    with pytest.raises(ConsentMissing):
        workers.stream(LONG, withdrawn)
    with pytest.raises(BadAudio):
        workers.listen(buzz(0.2))
    assert workers.listen(buzz(4.0))[1].accepted


def test_stream_goes_on_where_its_worker_was_killed(workers, fake_engine, voice):
    stream = workers.stream(LONG, voice)
    pieces = [next(stream), next(stream)]
    for pid in workers.pids:
        os.kill(pid, signal.SIGKILL)
    pieces += stream
    assert Audio.join(piece.audio for piece in pieces).digest() == fake_engine.say(LONG, voice).audio.digest()


def test_a_piece_comes_in_the_parts_in_which_it_is_made(workers, fake_engine, voice):
    long = Request("This is one long sentence that takes the networks more than a single window of sound to say aloud.")
    (own,), sent = fake_engine.stream(long, voice), next(workers.stream(long, voice))
    wanted, found = [part.digest() for part in own.parts()], sent.parts()
    assert len(wanted) > 1
    heard = [next(found).digest()]
    for pid in workers.pids:
        os.kill(pid, signal.SIGKILL)
    assert heard + [part.digest() for part in found] == wanted == [part.digest() for part in sent.parts()]
    assert sent.plan.to_json() == own.plan.to_json()


def test_the_next_piece_waits_for_the_rest_of_the_one_before(workers, fake_engine, voice):
    pieces = list(workers.stream(LONG, voice))
    assert [piece.plan.to_json() for piece in pieces] == [own.plan.to_json() for own in fake_engine.stream(LONG, voice)]
    assert Audio.join(piece.audio for piece in pieces).digest() == fake_engine.say(LONG, voice).audio.digest()


def test_dropped_streams_are_forgotten(workers, voice):
    begun = workers.stream(LONG, voice)
    next(begun)
    unbegun = workers.stream(LONG, voice)
    assert sum(len(line.talks) for line in workers._lines) == 2
    del begun, unbegun
    assert sum(len(line.talks) for line in workers._lines) == 0


def test_every_worker_gives_memory_back(voice, tmp_path):
    def relieve(speaker):
        (tmp_path / f"{os.getpid()} {speaker.name}").touch()

    workers = Workers(SimpleNamespace(shape={}, digests={}, reference=None, listen=None, relieve=relieve), 3)
    memory.free(workers, voice)
    assert {path.name for path in tmp_path.glob("*Ada")} == {f"{pid} Ada" for pid in workers.pids}


def test_workers_end_with_the_server(tmp_path):
    code = (
        "import time\nfrom resay.server.workers import Workers\nfrom types import SimpleNamespace\n"
        "made = Workers(SimpleNamespace(shape={}, digests={}, reference=None, listen=None), 2)\n"
        "print(*made.pids, flush=True)\ntime.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as process:
        pids = [int(pid) for pid in process.stdout.readline().split()]
        process.kill()
    end = time.monotonic() + 10
    while any(Path(f"/proc/{pid}").exists() for pid in pids) and time.monotonic() < end:
        time.sleep(0.05)
    assert len(pids) == 2
    assert not any(Path(f"/proc/{pid}").exists() for pid in pids)


@pytest.mark.parametrize(
    "options",
    ["--workers 2 --threads 2", "--workers 2 --provider cuda", "--workers 0", "--wyoming-key kitchen", "--wyoming 0"],
)
def test_options_without_meaning_are_refused(run, options):
    code, out, err = run("serve", *options.split())
    assert (code, out, len(err.splitlines())) == (2, "", 1)


@pytest.mark.skipif(not (SHIPPED / "model.json").is_file(), reason="there are no shipped weights")
@pytest.mark.skipif(not Path("/proc/self/smaps_rollup").exists(), reason="only Linux tells what is shared")
def test_weights_are_in_memory_once():
    code = """
import json, resay
from resay.cli import sources
from resay.server.workers import Workers

def memory(pid):
    lines = [line.split() for line in open(f"/proc/{pid}/smaps_rollup") if line[0] in "RP"]
    return {name.rstrip(":"): int(size) / 1024 for name, size, *_ in lines if name != "00400000-"}

engine = sources.engine(sources.Weights(threads=1))
voice = next(iter(resay.VoiceLibrary()))
wanted = engine.say(resay.Request("Good morning."), voice).audio.digest()
workers = Workers(engine, 3)
talks = [workers.stream(resay.Request("Good morning."), voice) for _ in range(3)]
same = all(resay.Audio.join(piece.audio for piece in talk).digest() == wanted for talk in talks)
found = [memory(pid) for pid in workers.pids]
print(json.dumps({"same": same, "memory": found}))
"""
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True, env=environment)
    told = json.loads(done.stdout)
    assert told["same"]
    for one in told["memory"]:
        # Five processes share the weights: a worker's part of all memory is far below what it sees.
        assert one["Pss"] < 0.45 * one["Rss"], told["memory"]
        assert one["Private_Dirty"] < 0.25 * one["Rss"], told["memory"]


@pytest.mark.skipif(not (SHIPPED / "model.json").is_file(), reason="there are no shipped weights")
@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="only Linux tells what is used")
def test_memory_that_is_given_back_changes_no_sound():
    code = """
import resay
from resay import text
from resay.server import memory
from resay.text import english

def used():
    return int(open("/proc/self/statm").read().split()[1])

engine, voice = resay.Engine(), next(iter(resay.VoiceLibrary()))
request = resay.Request("Say it again, exactly as you said it before, and once more for everybody. " * 4)
before = engine.say(request, voice).audio.digest()
full, words = used(), english.known.cache_info().currsize
memory.free(engine, voice)
left = english.known.cache_info().currsize
print(full - used() > 5e6 / 4096, words > 5 > left, engine.say(request, voice).audio.digest() == before)
"""
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout.split() == ["True"] * 3
