"""What a minute of recordings brings: similarity before and after `resay tune`, for people the weights never met.

    python bench/tune.py CORPUS_CACHE --judges DIR [--speakers 8] [--profile quick] [--write docs/few-shot.md]

CORPUS_CACHE is the folder of `resay train features`. Of held-out speakers with more than a minute, the first minute
tunes and later recordings judge: the speaker encoder of the judges is in no training. Zero-shot is the voice that
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
recording. Similarity: cosine of {encoder} to {judged} recordings that were not tuned on. Same person: the recordings
tuned on against those. Sharpness: how much neighbouring mel bands differ, as a share of the speaker's recordings.

{table}
Mean rise over zero-shot: {rise:+.3f}; errors {before:.1f} % before, {after:.1f} % after; same person {same:.3f}.

Measured on {machine.processor}, {machine.cores} cores (load {machine.load:.1f}).
"""


@dataclass(frozen=True)
class Found:
    """One speaker."""

    speaker: str
    language: str
    same: float
    zero_shot: float
    profile: float
    """Mean profile over the minute, without an adapter."""
    tuned: float
    errors: tuple[float, float]
    """Percent, zero-shot and tuned."""
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
        judged = self._vectors([Audio(self.data.samples(clip)) for clip in later])
        same = self._vectors([Audio(self.data.samples(clip)) for clip in tuned_on[:JUDGED]])
        heard = [self._said(voice, judged) for voice in voices]
        natural = sharpness([Audio(self.data.samples(clip)) for clip in later])
        return Found(
            speaker=clips[0].speaker,
            language=language,
            same=float((same @ judged.T).mean()),
            zero_shot=heard[0][0],
            profile=heard[1][0],
            tuned=heard[2][0],
            errors=(heard[0][1], heard[2][1]),
            factors=(heard[0][2], heard[2][2]),
            sharpness=(heard[0][3] / natural, heard[2][3] / natural),
            minutes=minutes,
        )

    def _vectors(self, sounds: list[Audio]) -> np.ndarray:
        assert self.judges.speaker_encoder
        return np.stack([self.judges.speaker_encoder.embed(sound) for sound in sounds])

    def _said(self, voice: Voice, judged: np.ndarray) -> tuple[float, float, float, float]:
        """Similarity, errors in percent, real time factor, sharpness."""
        texts = sentences.unseen(voice.language, self.count)
        begun = time.perf_counter()
        sounds = [self.engine.say(Request(text, language=voice.language), voice).audio for text in texts]
        factor = (time.perf_counter() - begun) / sum(sound.seconds for sound in sounds)
        errors = 0.0
        if self.judges.recogniser:
            heard = [self.judges.recogniser.transcribe(sound, voice.language) for sound in sounds]
            counts = [transcripts.count_errors(*pair, voice.language) for pair in zip(texts, heard, strict=True)]
            errors = 100 * sum(count.errors for count in counts) / sum(count.length for count in counts)
        return float((self._vectors(sounds) @ judged.T).mean()), errors, factor, sharpness(sounds)


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
    if judges.speaker_encoder is None:
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
    page = _page(found, profile, options.sentences, judges.speaker_encoder.name)
    print(page)
    if options.write:
        audio.write_bytes(options.write, page.encode())
    return 0


def _page(found: list[Found], profile: str, count: int, encoder: str) -> str:
    head = "speaker,language,same person,zero-shot,mean profile,tuned,rise"
    head += "".join(f",{name} before,after" for name in ("errors", "RTF", "sharpness")) + ",minutes"
    rows = [
        [f"speaker {place}", one.language]
        + [f"{value:.3f}" for value in (one.same, one.zero_shot, one.profile, one.tuned)]
        + [f"{one.tuned - one.zero_shot:+.3f}", *(f"{rate:.1f} %" for rate in one.errors)]
        + [*(f"{factor:.3f}" for factor in one.factors), *(f"{share:.2f}" for share in one.sharpness)]
        + [f"{one.minutes:.1f}"]
        for place, one in enumerate(found, start=1)
    ]
    return PAGE.format(
        profile=profile,
        sentences=count,
        encoder=encoder,
        judged=JUDGED,
        table=table(head.split(","), rows),
        rise=float(np.mean([one.tuned - one.zero_shot for one in found])),
        before=float(np.mean([one.errors[0] for one in found])),
        after=float(np.mean([one.errors[1] for one in found])),
        same=float(np.mean([one.same for one in found])),
        machine=about.machine(),
    )


if __name__ == "__main__":
    sys.exit(main())
