"""What a style clip changes, and what it leaves alone: rate, pauses, pitch and energy against the voice.

    python bench/style.py CORPUS [--people 24] [--sentences 3] [--judges DIR] [--models DIR] [--write docs/style.md]

Clips of people whom the weights never met lend their style to shipped voices of the same language, at strengths from 0
to 2. Everything is measured in the sound that came out, as it is in a clip. With judges, likeness to the voice without
any style is compared as well.
"""

from __future__ import annotations

import argparse
import sys
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import sections
from rich.progress import track as progress

from resay import audio, pitch, reference
from resay.audio import Audio
from resay.errors import BadAudio
from resay.evaluate import about, held_out, intervals, sentences, speaking
from resay.evaluate.judges import Judges
from resay.evaluate.tables import NOTHING, figure, table
from resay.reference import STYLE_NAMES, Profile
from resay.synthesis import SHIPPED, Engine, Request
from resay.voices import Voice, VoiceLibrary

STRENGTHS = (0.0, 0.5, 1.0, 1.5, 2.0)
SHOWN = {
    "syllable_rate": "syllables a second",
    "pause_share": "share of pauses",
    "pitch_spread": "spread of pitch, octaves",
    "pitch_speed": "speed of pitch, octaves a second",
    "energy_spread": "spread of energy, nepers",
}
PAGE = """# Style, measured

Written by `python bench/style.py CORPUS --people {asked} --sentences {sentences} --judges DIR --write docs/style.md`;
do not edit. Clips of {people} held-out people lend their style to the {voices} shipped voices, each to those of its
language, {sentences} sentences each.

## What moves

{moved}
*At strength s*: mean over clips and voices of what is heard, less the same at strength 0, per deviation of the clip
from the mean clip (regression slope, deviations measured among the clips): 0 is no influence, and the further from 0,
the more a lively clip makes lively speech. *Follows*: correlation of clips and speech at strength 1, over clips.
*Monotone*: of the eight steps from one strength to the next, four of the clips above the mean by half a deviation or
more, four of those below, the share in which speech goes the clips' way on average.

## What stays

{stays}
Cosine of speaker vectors to what the same voice says of other sentences in its own style; the first row is how near it
comes to itself. Difference: to that row, over pairs of clip and voice.

Measured on {machine.processor}, {machine.cores} cores, onnxruntime {runtime}.
"""


@dataclass(frozen=True, eq=False)
class Lent:
    """One clip's style in one voice."""

    person: str
    voice: str
    clip: np.ndarray
    """Raw statistics of the clip, (16,)."""
    spoken: np.ndarray
    """Of the speech at every strength, (strengths, 16)."""
    sounds: list[Audio]


def statistics(sound: Audio) -> np.ndarray:
    """The sixteen of `reference.statistics`, raw."""
    return reference.statistics(audio.log_mel(sound.samples), pitch.track(sound))


def said(engine: Engine, voice: Voice, texts: Sequence[str], style: Profile | None, strength: float) -> Audio:
    """All sentences in one sound."""
    requests = (Request(text, language=voice.language, style_strength=strength) for text in texts)
    return Audio.join(engine.say(request, voice, style=style).audio for request in requests)


def lent(engine: Engine, corpus: Path, people: int, voices: Sequence[Voice], count: int) -> Iterator[Lent]:
    """Every person's clip in every voice of their language."""
    for place, person in enumerate(progress(held_out.people(corpus, people), "clips", transient=True)):
        try:
            style, _ = engine.listen(person.reference)
        except BadAudio:
            continue  # refused as a user's would be
        heard = statistics(reference.canonical(person.reference))
        texts = speaking.own_sentences(sentences.unseen(person.language), place, count)
        for voice in voices:
            if voice.language == person.language:
                sounds = [said(engine, voice, texts, style, strength) for strength in STRENGTHS]
                spoken = np.array([statistics(sound) for sound in sounds])
                yield Lent(person.name, voice.name, heard, spoken, sounds)


def moved_rows(found: Sequence[Lent]) -> list[list[str]]:
    rows = []
    for name, words in SHOWN.items():
        column = STYLE_NAMES.index(name)
        clips = np.array([one.clip[column] for one in found])
        spoken = np.array([one.spoken[:, column] for one in found])
        deviation = (clips - clips.mean()) / clips.std()
        more = (spoken - spoken[:, :1]) / clips.std()
        slopes = [float(np.polyfit(deviation, more[:, at], 1)[0]) for at in range(len(STRENGTHS))]
        follows = np.corrcoef(clips, spoken[:, STRENGTHS.index(1.0)])[0, 1]
        ways = [sign * np.diff(more[sign * deviation > 0.5].mean(axis=0)) for sign in (-1, 1)]
        monotone = np.mean([step > 0 for way in ways for step in way])
        rows.append([words, *(f"{slope:+.2f}" for slope in slopes[1:]), f"{follows:.2f}", f"{100 * monotone:.0f} %"])
    return rows


def stays_rows(
    engine: Engine, found: Sequence[Lent], voices: Sequence[Voice], embed: Callable[[Audio], np.ndarray], count: int
) -> list[list[str]]:
    own, itself = {}, {}
    for voice in voices:
        texts = sentences.unseen(voice.language)
        own[voice.name] = embed(said(engine, voice, texts[-2 * count : -count], None, 1.0))
        itself[voice.name] = float(own[voice.name] @ embed(said(engine, voice, texts[-count:], None, 1.0)))
    rows = [["own style", figure(intervals.mean(list(itself.values()))), NOTHING]]
    by_strength = defaultdict(list)
    for one in progress(found, "likeness", transient=True):
        for strength, sound in zip(STRENGTHS, one.sounds, strict=True):
            likeness = float(embed(sound) @ own[one.voice])
            by_strength[strength].append((likeness, likeness - itself[one.voice]))
    for strength, values in by_strength.items():
        cells = (figure(intervals.mean([value[column] for value in values])) for column in (0, 1))
        rows.append([f"a clip's, strength {strength:g}", *cells])
    return rows


def page(engine: Engine, options: argparse.Namespace) -> str:
    voices = list(VoiceLibrary([options.models / "voices"]))
    found = list(lent(engine, options.corpus, options.people, voices, options.sentences))
    header = [
        "heard in the speech",
        *(f"at strength {strength:g}" for strength in STRENGTHS[1:]),
        "follows",
        "monotone",
    ]
    judged = []
    for encoder in Judges.open(options.judges).encoders:
        rows = stays_rows(engine, found, voices, encoder.embed, options.sentences)
        judged.append(table([encoder.name, "cosine to the voice", "difference"], rows))
    machine = about.machine()
    return PAGE.format(
        asked=options.people,
        people=len({one.person for one in found}),
        voices=len(voices),
        sentences=options.sentences,
        moved=table(header, moved_rows(found)),
        stays="\n".join(judged) or "No judges were at hand.\n",
        machine=machine,
        runtime=machine.packages["onnxruntime"],
    )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("corpus", type=Path)
    parser.add_argument("--people", type=int, default=24)
    parser.add_argument("--sentences", type=int, default=3)
    parser.add_argument("--judges", type=Path)
    parser.add_argument("--models", type=Path, default=SHIPPED)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--write", type=Path)
    options = parser.parse_args()
    written = page(Engine(options.models, options.threads), options)
    sections.publish(written, options.write)
    return 0


if __name__ == "__main__":
    sys.exit(main())
