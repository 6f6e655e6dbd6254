"""What a minute of recordings brings: similarity before and after `resay tune`, for people the weights never met.

    python bench/tune.py CORPUS_CACHE --judges DIR [--speakers 8] [--profile quick] [--write docs/few-shot.md]

CORPUS_CACHE is the folder of `resay train features`. Of held-out speakers with more than a minute, the first minute
tunes and later recordings judge, in the ears of every speaker encoder among the judges. Zero-shot is the voice that
`resay voice add` makes of the first recording that is long enough.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections import defaultdict
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import sections

from resay import audio, consent
from resay.adapter import Adapter
from resay.audio import Audio
from resay.evaluate import about, sentences, transcripts
from resay.evaluate.judges import Judges
from resay.evaluate.tables import table
from resay.synthesis import SHIPPED, Engine, Request
from resay.train import fine_tuning, own_recordings
from resay.train.recordings import Clip, Recordings, is_held_out
from resay.voices import Voice

MINUTE = 60.0
LEAST = 80.0  # seconds of a speaker: a minute, and something to judge by
JUDGED = 4  # recordings that judge
PAGE = """# Few-shot voices

Written by `python bench/tune.py`; do not edit. Profile {profile}, {sentences} sentences a speaker that are in no
recording. Similarity: cosine to {judged} recordings that were not tuned on. Same person: the recordings tuned on
against those. Where a speaker encoder has taught the weights, the other one is the judge to trust.

{similarity}
## Words, speed, sharpness

{costs}
Errors {before:.1f} % before, {mean:.1f} % with the mean profile alone, {after:.1f} % after. Sharpness: how much
neighbouring mel bands differ, as a share of the speaker's recordings.

Measured on {machine.processor}, {machine.cores} cores (load {machine.load:.1f}).
"""


@dataclass(frozen=True)
class Found:
    """One speaker."""

    speaker: str
    language: str
    likeness: dict[str, tuple[float, float, float, float]]
    """By encoder: of the same person, zero-shot, of the mean profile over the minute without an adapter, tuned."""
    errors: tuple[float, float, float]
    """Percent, zero-shot, of the mean profile, tuned."""
    factors: tuple[float, float]
    """Real time factors, zero-shot and tuned."""
    sharpness: tuple[float, float]
    """Of the mels, as a share of the recordings', zero-shot and tuned."""
    minutes: float


def speakers(data: Recordings, count: int) -> list[list[Clip]]:
    """Held-out people with enough recordings, most first."""
    clips: dict[str, list[Clip]] = defaultdict(list)
    for clip in data.clips:
        if clip.set != "synthetic" and is_held_out(clip):
            clips[clip.speaker].append(clip)
    enough = [own for own in clips.values() if sum(clip.frames for clip in own) / audio.FORMAT.frame_rate >= LEAST]
    return sorted(enough, key=lambda own: -sum(clip.frames for clip in own))[:count]


def sharpness(sounds: list[Audio]) -> float:
    """Mean second difference of log mels over the bands: what is blurred has little."""
    return float(np.mean([np.abs(np.diff(audio.log_mel(sound.samples), n=2, axis=1)).mean() for sound in sounds]))


@dataclass(frozen=True, eq=False)
class Said:
    """What a voice said of the sentences."""

    sounds: list[Audio]
    errors: float
    """Percent."""
    factor: float
    """Real time factor."""


class Trial:
    """Tunes to one speaker after the other and judges them."""

    def __init__(
        self, data: Recordings, models: Path, judges: Judges, options: fine_tuning.Options, count: int
    ) -> None:
        self.data, self.models, self.judges, self.options, self.count = data, models, judges, options, count
        self.engine = Engine(models)

    def run(self, clips: list[Clip], folder: Path) -> Found:
        tuned_on: list[Clip] = []
        while sum(clip.frames for clip in tuned_on) < MINUTE * audio.FORMAT.frame_rate:
            tuned_on.append(clips[len(tuned_on)])
        for clip in tuned_on:
            path = folder / f"{clip.id}.wav"
            audio.write(path, Audio(self.data.samples(clip)))
            path.with_suffix(".txt").write_text(clip.text, encoding="utf-8")
        begun = time.monotonic()
        own = own_recordings.read(own_recordings.sources(folder), self.engine)
        arrays = fine_tuning.adapt(own, self.models, self.engine, self.options, folder / "state", lambda *_: None)
        minutes = (time.monotonic() - begun) / 60
        language = clips[0].language
        first, _ = self.engine.listen(Audio(self.data.samples(max(tuned_on[:5], key=lambda clip: clip.frames))))
        mean = Voice(clips[0].speaker, language, own.profile, consent.own())
        voices = [
            replace(mean, profile=first),
            mean,
            replace(mean, profile=replace(own.profile, adapter=Adapter(self.engine.identity, arrays))),
        ]
        later = clips[len(tuned_on) : len(tuned_on) + JUDGED]
        judged = [Audio(self.data.samples(clip)) for clip in later]
        spoken = [self._said(voice) for voice in voices]
        same = self._likeness([Audio(self.data.samples(clip)) for clip in tuned_on[:JUDGED]], judged)
        likeness = [same, *(self._likeness(said.sounds, judged) for said in spoken)]
        natural = sharpness(judged)
        before, after = spoken[0], spoken[-1]
        return Found(
            speaker=clips[0].speaker,
            language=language,
            likeness={name: tuple(one[name] for one in likeness) for name in same},
            errors=(before.errors, spoken[1].errors, after.errors),
            factors=(before.factor, after.factor),
            sharpness=(sharpness(before.sounds) / natural, sharpness(after.sounds) / natural),
            minutes=minutes,
        )

    def _likeness(self, sounds: list[Audio], judged: list[Audio]) -> dict[str, float]:
        """Mean cosine of all pairs, by encoder."""
        found = {}
        for encoder in self.judges.encoders:
            mine, theirs = (np.stack([encoder.embed(sound) for sound in some]) for some in (sounds, judged))
            found[encoder.name] = float((mine @ theirs.T).mean())
        return found

    def _said(self, voice: Voice) -> Said:
        texts = sentences.unseen(voice.language, self.count)
        begun = time.perf_counter()
        sounds = [self.engine.say(Request(text, language=voice.language), voice).audio for text in texts]
        factor = (time.perf_counter() - begun) / sum(sound.seconds for sound in sounds)
        errors = 0.0
        if self.judges.recogniser:
            heard = [self.judges.recogniser.transcribe(sound, voice.language) for sound in sounds]
            counts = [transcripts.count_errors(*pair, voice.language) for pair in zip(texts, heard, strict=True)]
            errors = 100 * sum(count.errors for count in counts) / sum(count.length for count in counts)
        return Said(sounds, errors, factor)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("cache", type=Path, metavar="CORPUS_CACHE")
    parser.add_argument("--judges", type=Path, required=True)
    parser.add_argument("--models", type=Path, default=SHIPPED)
    parser.add_argument("--speakers", type=int, default=8)
    parser.add_argument("--sentences", type=int, default=4)
    parser.add_argument("--profile", choices=sorted(fine_tuning.PROFILES), default="quick")
    parser.add_argument("--epochs", type=int, help="instead of the profile's")
    parser.add_argument("--write", type=Path)
    options = parser.parse_args()
    judges = Judges.open(options.judges)
    if not judges.encoders:
        parser.error(f"{options.judges}: holds no speaker encoder")
    data = Recordings(options.cache)
    recipe = fine_tuning.PROFILES[options.profile]
    if options.epochs:
        recipe = replace(recipe, epochs=options.epochs)
    trial = Trial(data, options.models, judges, recipe, options.sentences)
    found = []
    for clips in speakers(data, options.speakers):
        with tempfile.TemporaryDirectory() as folder:
            found.append(trial.run(clips, Path(folder)))
        print(found[-1], file=sys.stderr, flush=True)
    profile = f"{options.profile}, {recipe.epochs} epochs"
    page = _page(found, profile, options.sentences)
    sections.publish(page, options.write)
    return 0


def _page(found: list[Found], profile: str, count: int) -> str:
    return PAGE.format(
        profile=profile,
        sentences=count,
        judged=JUDGED,
        similarity="\n".join(_similarity(found, encoder) for encoder in found[0].likeness),
        costs=_costs(found),
        before=float(np.mean([one.errors[0] for one in found])),
        mean=float(np.mean([one.errors[1] for one in found])),
        after=float(np.mean([one.errors[2] for one in found])),
        machine=about.machine(),
    )


def _similarity(found: list[Found], encoder: str) -> str:
    """One encoder's heading and table; the last row is the mean of all speakers."""
    head = ("speaker", "language", "same person", "zero-shot", "mean profile", "tuned", "rise", "share of same person")
    values = [one.likeness[encoder] for one in found]
    names = [(f"speaker {place}", one.language) for place, one in enumerate(found, start=1)]
    rows = []
    for name, (same, zero_shot, mean, tuned) in zip(
        [*names, ("mean", "")], [*values, tuple(np.mean(values, axis=0))], strict=True
    ):
        figures = (f"{value:.3f}" for value in (same, zero_shot, mean, tuned))
        rows.append([*name, *figures, f"{tuned - zero_shot:+.3f}", f"{100 * tuned / same:.0f} %"])
    return f"## {encoder}\n\n{table(head, rows)}"


def _costs(found: list[Found]) -> str:
    head = ["speaker", "errors before", "errors of the mean profile", "errors after"]
    head += [f"{name} {when}" for name in ("RTF", "sharpness") for when in ("before", "after")]
    rows = []
    for place, one in enumerate(found, start=1):
        cells = [*(f"{rate:.1f} %" for rate in one.errors), *(f"{factor:.3f}" for factor in one.factors)]
        cells += [*(f"{share:.2f}" for share in one.sharpness), f"{one.minutes:.1f}"]
        rows.append([f"speaker {place}", *cells])
    return table([*head, "minutes"], rows)


if __name__ == "__main__":
    sys.exit(main())
