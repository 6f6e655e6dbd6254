"""The engine on the weights that ship: what a seed decides, and what may not move."""

from __future__ import annotations

import json
import shutil
import tracemalloc
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from resay import text
from resay.audio import FORMAT, Audio
from resay.errors import BadOption, BadRequest, BrokenModel, ConsentMissing
from resay.planning import Planning
from resay.prosody import Plan, Sampling
from resay.reference import Profile
from resay.synthesis import HIGHEST_SEED, SHIPPED, STAGES, Engine, Request, stream_of_randomness
from resay.text import Sentence
from resay.voices import Voice, VoiceLibrary

TEXT = "Good morning, 今天天气很好。"


@pytest.fixture(scope="module")
def engine() -> Engine:
    return Engine(threads=1)


@pytest.fixture(scope="module")
def voice() -> Voice:
    return VoiceLibrary().get("lan")


def test_streams_of_randomness_are_all_different() -> None:
    keys = [(seed, piece, stage) for seed in (0, 1, HIGHEST_SEED) for piece in (0, 1, 300) for stage in STAGES]
    first = {key: float(stream_of_randomness(*key).random()) for key in keys}
    assert len(set(first.values())) == len(keys)
    assert all(float(stream_of_randomness(*key).random()) == value for key, value in first.items())


def test_the_same_request_gives_the_same_samples_whoever_speaks_beside_it(engine: Engine, voice: Voice) -> None:
    alone = engine.say(Request(TEXT), voice).audio.digest()
    with ThreadPoolExecutor(4) as pool:
        seeds = [42, 7, 42, 8, 42, 9]
        digests = list(pool.map(lambda seed: engine.say(Request(TEXT, seed=seed), voice).audio.digest(), seeds))
    assert [digest for digest, seed in zip(digests, seeds, strict=True) if seed == 42] == [alone] * 3
    assert len(set(digests)) == 4


def test_seeds_change_timing_and_pitch_but_no_phoneme(engine: Engine, voice: Voice) -> None:
    one, other = (engine.say(Request(TEXT, seed=seed), voice) for seed in (42, 1234))
    assert [piece.sentence.phonemes for piece in one.pieces] == [piece.sentence.phonemes for piece in other.pieces]
    assert any((a.plan.durations != b.plan.durations).any() for a, b in zip(one.pieces, other.pieces, strict=True))
    moved = [a.plan.pitch - b.plan.pitch for a, b in zip(one.pieces, other.pieces, strict=True)]
    assert float(np.abs(np.concatenate(moved)).mean()) > 0.01


@pytest.mark.parametrize("method", ["ras", "topk", "greedy"])
def test_neither_seed_nor_sampling_changes_a_reading(engine: Engine, voice: Voice, method: str) -> None:
    """R17: 银行 stays hang2, whatever melody it gets."""
    requests = [Request("他在银行read a book。", seed=seed, sampling=Sampling(method)) for seed in (0, 42, 9999)]
    sentences = [piece.sentence for request in requests for piece in engine.stream(request, voice)]
    assert len(sentences) == 3
    assert sentences.count(sentences[0]) == 3
    assert ("yin2", "hang2") in [word.reading for word in sentences[0].words]


def plans(engine: Engine, voice: Voice, said: str, **options: float) -> list[dict]:
    return [piece.plan.to_json() for piece in engine.stream(Request(said, **options), voice)]


def test_a_prompt_leads_sentences_of_its_language(engine: Engine, voice: Voice, prompt_of) -> None:
    plain = voice
    told = replace(voice, profile=replace(voice.profile, prompt=prompt_of("早上好，大家好。")))
    assert plans(engine, told, "今天天气很好。") == plans(engine, told, "今天天气很好。")
    assert plans(engine, told, "今天天气很好。") != plans(engine, plain, "今天天气很好。")
    assert plans(engine, told, "Good morning.") == plans(engine, plain, "Good morning.")
    assert plans(engine, told, "今天天气很好。", style_strength=0.0) == plans(
        engine, plain, "今天天气很好。", style_strength=0.0
    )


def test_a_prompt_taken_at_once_is_the_prompt_step_by_step(engine: Engine, voice: Voice, prompt_of) -> None:
    prosody = engine.prosody
    said = prompt_of("Good morning, everybody.")
    text_of = np.random.default_rng(0).standard_normal((1, len(said.ids), 256)).astype(np.float32)
    before = np.random.default_rng(1).integers(0, 20, (1, len(said.ids), 3))
    empty = np.zeros(prosody._cache, np.float32)
    whole = prosody._steps.run(text=text_of, before=before, cache=empty)
    cache = empty
    for step in range(len(said.ids)):
        here = slice(step, step + 1)
        answer = prosody._steps.run(text=text_of[:, here], before=before[:, here], cache=cache)
        cache = answer["longer"]
    np.testing.assert_allclose(cache, whole["longer"], atol=2e-3)
    np.testing.assert_allclose(answer["hidden"][0, -1], whole["hidden"][0, -1], atol=2e-3)


def test_what_is_usual_comes_with_the_weights(tmp_path: Path, buzz) -> None:
    shutil.copytree(SHIPPED, tmp_path / "models", ignore=shutil.ignore_patterns("voices"))
    shape = json.loads((SHIPPED / "model.json").read_text(encoding="utf-8"))
    for usual, problem in (([2.0] * len(text.phonemes.SYMBOLS), ""), ([2.0], "damaged")):
        content = {**shape, "rate": {"usual": usual, "mean": 0.1, "spread": 0.2}, "digests": {}}
        (tmp_path / "models" / "model.json").write_text(json.dumps(content), encoding="utf-8")
        if problem:
            with pytest.raises(BrokenModel, match=problem):
                Engine(tmp_path / "models", threads=1)
        else:
            assert Engine(tmp_path / "models", threads=1)._usual_rate.spread == 0.2


def test_plans_are_spoken_again_without_sampling(engine: Engine, voice: Voice) -> None:
    speech = engine.say(Request(TEXT), voice)
    plans = [type(piece.plan).from_json(piece.plan.to_json()) for piece in speech.pieces]
    again = engine.say(Request(TEXT, sampling=Sampling("greedy")), voice, plans=plans)
    assert len(again.audio.samples) == len(speech.audio.samples)
    assert float(np.abs(again.audio.samples - speech.audio.samples).max()) < 0.02
    with pytest.raises(BadRequest, match="plans"):
        engine.stream(Request("another text"), voice, plans=plans)


def test_sound_reaches_half_its_rate() -> None:
    assert [Request(TEXT, sample_rate=rate).bandwidth for rate in (24_000, 32_000)] == [12_000, 16_000]


def test_speed_changes_length_and_keeps_phonemes(engine: Engine, voice: Voice) -> None:
    slow, fast = (engine.say(Request(TEXT, speed=speed), voice) for speed in (0.7, 1.6))
    assert slow.audio.seconds > 1.8 * fast.audio.seconds
    assert slow.pieces[0].sentence.phonemes == fast.pieces[0].sentence.phonemes


def test_style_strength_is_continuous(engine: Engine, voice: Voice) -> None:
    plans = [
        np.concatenate(
            [
                piece.plan.durations
                for piece in engine.stream(Request(TEXT, sampling=Sampling("greedy"), style_strength=strength), voice)
            ]
        )
        for strength in (0.0, 0.02, 2.0)
    ]
    near = np.abs(plans[0] - plans[1]).sum()
    assert near <= np.abs(plans[0] - plans[2]).sum() + 2


@pytest.mark.parametrize(
    "options",
    [
        {"seed": -1},
        {"seed": 2**63},
        {"seed": True},
        {"speed": 0.1},
        {"speed": 5.0},
        {"language": "fr"},
        {"style_strength": 2.5},
        {"sample_rate": 16_000},
    ],
)
def test_bad_requests_are_refused(options: dict[str, object]) -> None:
    with pytest.raises(BadOption):
        Request("text", **options)  # type: ignore[arg-type]


def test_everything_is_checked_before_the_first_piece(engine: Engine, voice: Voice) -> None:
    from dataclasses import replace
    from datetime import date

    expired = replace(voice, consent=replace(voice.consent, until=date(2000, 1, 1)))
    with pytest.raises(ConsentMissing):
        engine.stream(Request("text"), expired)
    with pytest.raises(BadRequest):
        engine.stream(Request("?!"), voice)


class Mute(Engine):
    """Reads, and makes a frame of silence of every phoneme: what it needs is what the stream needs."""

    def __init__(self) -> None:
        """Load the reader and no weights."""
        self._read = text.sentences
        self.semantic = SimpleNamespace(vectors=lambda sentence, before: None)  # type: ignore[assignment]

    def _planning(
        self, request: Request, sentence: Sentence, profile: Profile, index: int, meaning: object
    ) -> Planning:
        count = len(sentence.phonemes)
        plan = Plan(np.ones(count, np.int64), np.zeros((count, 3), np.float32), np.zeros(count, np.float32))
        return Planning.of(plan)

    def shifts(self, voice: Voice) -> None:
        """There is nothing that could rehearse."""

    def _render(self, request: Request, sentence: Sentence, planning: Planning, *_: object) -> Iterator[Audio]:
        yield Audio(np.zeros(FORMAT.hop * len(planning.whole().durations), np.float32))


@pytest.mark.parametrize("length", [20_000, pytest.param(100_000, marks=pytest.mark.slow)])
def test_a_book_streams_in_constant_memory(voice: Voice, length: int) -> None:
    paragraph = "他在2015年去了重庆银行，花了500元。We read the new record, and it is close to 25% off. 天气很好！\n"
    book = paragraph * (length // len(paragraph))
    engine = Mute()
    for _ in engine.stream(Request(paragraph), voice):
        """Dictionaries load, caches fill."""
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        seconds = sum(piece.audio.seconds for piece in engine.stream(Request(book), voice))
        peak = tracemalloc.get_traced_memory()[1] - before
    finally:
        tracemalloc.stop()
    assert seconds > length / 100
    assert peak < 1_000_000 + 4 * length  # the room for a paragraph, and for the text itself


def test_what_a_book_refuses_it_refuses_before_the_first_piece(voice: Voice) -> None:
    for wrong in ("Привет", "[[yin2", "<break time='9h'/>", "&#1055;", "㐂"):
        with pytest.raises(BadRequest):
            Mute().stream(Request("今天天气很好。\n" * 2000 + wrong), voice)
