"""What tuning changed: the sentences kept back, as recorded, as said before and as said after, heard and measured."""

from __future__ import annotations

import base64
import html
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from .. import audio
from ..audio import Audio
from ..evaluate import transcripts
from ..evaluate.judges import Judges
from ..prosody import Sampling
from ..synthesis import Engine, Request, stream_of_randomness
from ..train.own_recordings import Own
from ..voices import Voice

SEED = 42
SAID = {"zh": "今天天气很好，我们一起出去走走吧。", "en": "The weather is lovely today, so let us go out for a walk."}
"""Said in addition: no recording holds it."""


@dataclass(frozen=True, eq=False)
class Example:
    """One sentence three times; without a recording where nobody has said it."""

    text: str
    recorded: Audio | None
    before: Audio
    after: Audio


@dataclass(frozen=True, eq=False)
class Outcome:
    name: str
    figures: dict[str, tuple[float, float]]
    """Before and after, by what was measured."""
    examples: list[Example]


def compare(engine: Engine, before: Voice, after: Voice, own: Own, back: Sequence[int], judges: Judges) -> Outcome:
    """Speak the sentences kept back in both voices, and measure both against the recordings.

    Likeness is the cosine of timbre vectors to the recordings' by the reference encoder; with judges, by theirs, and
    errors by theirs. The fit of durations is the mean distance of planned and recorded phonemes, in percent.
    """
    texts = [own.clips[row].text for row in back]
    timbres = np.stack([engine.reference.timbre(own.mels[row]) for row in back]).mean(axis=0)
    recorded = [own.sounds[row] for row in back]
    said = {voice: [_say(engine, voice, text, own.language) for text in texts] for voice in (before, after)}
    figures = {
        "likeness, own encoder": _pair(said, lambda sound: float(_timbre(engine, sound) @ timbres)),
        "distance of durations, %": (_unfit(engine, before, own, back), _unfit(engine, after, own, back)),
    }
    if judges.speaker_encoder:
        embed = judges.speaker_encoder.embed
        real = np.stack([embed(sound) for sound in recorded])
        figures[f"similarity, {judges.speaker_encoder.name}"] = _pair(said, lambda s: float((real @ embed(s)).mean()))
    if judges.recogniser:
        rates = []
        for voice in (before, after):
            heard = [judges.recogniser.transcribe(sound, own.language) for sound in said[voice]]
            counts = [transcripts.count_errors(t, h, own.language) for t, h in zip(texts, heard, strict=True)]
            rates.append(100 * sum(count.errors for count in counts) / max(1, sum(count.length for count in counts)))
        figures["errors, %"] = (rates[0], rates[1])
    extra = SAID[own.language]
    new = Example(extra, None, *(_say(engine, voice, extra, own.language) for voice in (before, after)))
    examples = [Example(*row) for row in zip(texts, recorded, said[before], said[after], strict=True)]
    return Outcome(after.name, figures, [*examples, new])


def _pair(said: dict[Voice, list[Audio]], measure: Callable[[Audio], float]) -> tuple[float, float]:
    first, second = (float(np.mean([measure(sound) for sound in sounds])) for sounds in said.values())
    return first, second


def _say(engine: Engine, voice: Voice, text: str, language: str) -> Audio:
    return engine.say(Request(text, seed=SEED, language=language), voice).audio


def _timbre(engine: Engine, sound: Audio) -> np.ndarray:
    return engine.reference.timbre(audio.log_mel(sound.samples))


def _unfit(engine: Engine, voice: Voice, own: Own, back: Sequence[int]) -> float:
    """Mean difference of planned durations and recorded ones, in percent of the recorded."""
    found = []
    for row in back:
        meant = own.examples[row].durations
        random = stream_of_randomness(SEED, row, "prosody")
        tokens = engine.prosody.tokens(own.examples[row].ids, voice.profile, random, Sampling(), own.meanings[row])
        plan = engine.codes.plan(np.array(list(tokens)))
        found.append(100 * float(np.abs(plan.durations - meant).sum() / meant.sum()))
    return float(np.mean(found))


def table(outcome: Outcome) -> str:
    """Plain lines: what was measured, before, after."""
    width = max(map(len, outcome.figures))
    rows = [f"{'':{width}}  before   after"]
    rows += [f"{name:{width}}  {pair[0]:6.2f}  {pair[1]:6.2f}" for name, pair in outcome.figures.items()]
    return "\n".join(rows)


def page(outcome: Outcome) -> str:
    """One HTML file to hear by: needs nothing beside it, talks to nobody."""
    title = html.escape(f"{outcome.name}: before and after tuning")
    rows = "".join(
        f"<tr><td>{html.escape(name)}<td>{pair[0]:.2f}<td>{pair[1]:.2f}" for name, pair in outcome.figures.items()
    )
    cards = "".join(_card(example) for example in outcome.examples)
    style = "body{font:16px/1.5 system-ui;max-width:60rem;margin:2rem auto}td{padding:.2rem 1rem}audio{width:18rem}"
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{title}</title>'
        f"<style>{style}</style></head>"
        f"<body><h1>{title}</h1><table><tr><th><th>before<th>after{rows}</table>{cards}</body></html>\n"
    )


def _card(example: Example) -> str:
    players = {"recorded": example.recorded, "before": example.before, "after": example.after}
    cells = "".join(f"<td>{label}<br>{_player(sound)}" for label, sound in players.items() if sound is not None)
    return f"<h2>{html.escape(example.text)}</h2><table><tr>{cells}</table>"


def _player(sound: Audio) -> str:
    data = base64.b64encode(audio.encode(sound, "wav")).decode()
    return f'<audio controls src="data:audio/wav;base64,{data}"></audio>'
