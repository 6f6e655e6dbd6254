"""Training the acoustic model on aligned clips.

Letters: P phonemes, T frames, M mel bands, K classes of sound.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from .. import acoustic, aligner, audio, reference
from ..onnx_graph import OnnxGraph
from ..pitch import PITCH_CENTRE
from ..synthesis import SHIPPED
from ..text import phonemes
from . import annotations, perturbation, samples
from .acoustic_net import AcousticNet, losses
from .loop import Batch, mixed_precision
from .recordings import NEVER, WORD_LISTS, Clip, Recordings, batches_by_length, is_held_out
from .reference_stage import degrade
from .vectors import Vectors

REFERENCE_FRAMES = (160, 640)
"""Length of what is heard of a speaker, 2 to 8 seconds."""
SEVERAL, MOST = 0.3, 8
"""Share of rows whose speaker is known by several clips, and by how many at most: a minute of them is a voice too."""
UNHEARD, UNHEARD_ALONE = 0.1, 0.4
"""Share of rows whose speaker is known by timbre alone; of speakers with a single clip more, since its own sounds give
away what is to be said."""


DEGRADED = 0.3
"""Share of perturbed references that come through another microphone than what is to be said: what a recording adds to
a voice shall not be copied."""


@dataclass(frozen=True, eq=False)
class Example:
    """One aligned clip and what is known of it. Arrays are read when a batch is made."""

    position: int
    clip: Clip
    ids: np.ndarray
    durations: np.ndarray


@dataclass(frozen=True, eq=False)
class Said:
    """Speech as a network shall say it."""

    mel: np.ndarray
    """Log mels (T, M)."""
    track: np.ndarray
    """Pitch in Hz, 0 where unvoiced, (T,)."""
    middle: float
    """Of the speaker's pitch, Hz."""


def examples(recordings: Recordings, cache: Path, longest: int = 900, held_out: bool = False) -> list[Example]:
    """Clips with phonemes and durations, at most `longest` frames, of the training side or the held-out side."""
    known, durations = annotations.transcribe(recordings, cache), annotations.durations(recordings, cache)
    found = []
    for position, clip in enumerate(recordings.clips):
        symbols, frames = known.get(clip.id), durations.get(clip.id)
        if not symbols or frames is None or clip.frames > longest or is_held_out(clip) != held_out:
            continue
        found.append(Example(position, clip, phonemes.ids(symbols), np.array(frames)))
    return found


def quality(clip: Clip, factor: float = 1.0) -> np.ndarray:
    """How the clip was recorded, float32 (2,): bandwidth and noise floor, both about 0 to 1, clean is (1, 0).

    Played `factor` times as fast, whose highest frequency moves too.
    """
    bandwidth = min(min(clip.bandwidth, 12_000.0) * factor, 12_000.0) / 12_000.0
    floor = (np.clip(clip.floor, -90.0, -30.0) + 90.0) / 60.0
    return np.array([bandwidth, floor], dtype=np.float32)


class Collator:
    """Turns examples into padded batches; knows every clip's profile, and which clips share a speaker."""

    encoder: OnnxGraph | None = None
    perturbed = 0.0

    def __init__(
        self,
        recordings: Recordings,
        profiles: annotations.Profiles,
        heard: annotations.Heard,
        vectors: Vectors,
        encoder: OnnxGraph | None = None,
        perturbed: float = 0.0,
    ) -> None:
        """With the timbre encoder given, the share `perturbed` of rows is spoken by a body that is nobody's."""
        self.recordings = recordings
        self.encoder, self.perturbed = encoder, perturbed
        self.vectors = vectors
        self.profiles = profiles
        self.heard = heard
        self.style = profiles.style
        self.siblings: dict[str, list[int]] = {}
        for position, clip in enumerate(recordings.clips):
            if clip.frames >= 120:
                self.siblings.setdefault(clip.speaker, []).append(position)

    def row(self, example: Example, random: np.random.Generator) -> dict[str, np.ndarray]:
        clip = example.clip
        whose = self._whose(example, random)
        unheard = UNHEARD if len(self.siblings.get(clip.speaker, ())) > 1 else UNHEARD_ALONE
        said, durations, factor = self._as_recorded(example), example.durations, 1.0
        if self.encoder is not None and random.random() < self.perturbed:
            factor += random.uniform(-perturbation.TRACT, perturbation.TRACT)
            sped = perturbation.Sped(factor)
            said, durations = self._by_another(example, said, sped)
            timbre, sounds = self._another(whose, sped, random, unheard)
        else:
            timbre, sounds = self.profiles.timbre[whose].mean(axis=0), self.sounds(whose, random, unheard)
        timbre = timbre / np.linalg.norm(timbre) + random.normal(0.0, 0.01, len(timbre))
        loudness = audio.energy(said.mel) - audio.speech_level(said.mel)
        plan = acoustic.measured_plan(said.track, loudness, durations, said.middle)
        return {
            "ids": example.ids,
            "durations": durations,
            "mel": reference.scaled(said.mel),
            "voiced": (said.track > 0).astype(np.float32),
            "plan": acoustic.plan_columns(plan, said.middle),
            "owner": np.repeat(np.arange(len(durations)), durations),
            "timbre": (timbre / np.linalg.norm(timbre)).astype(np.float32),
            "style": self.style[example.position],
            "sounds": sounds,
            "semantic": self.semantic(example),
            "quality": quality(clip, factor),
            "natural": np.array([factor == 1.0], np.float32),
        }

    def _as_recorded(self, example: Example) -> Said:
        middle = float(self.profiles.pitch[example.position])
        return Said(self.recordings.mel(example.clip), self.recordings.pitch(example.clip), middle)

    def _by_another(self, example: Example, own: Said, sped: perturbation.Sped) -> tuple[Said, np.ndarray]:
        """What a clip, its `own` speech, becomes by another body, and its durations (P,)."""
        mel = sped.mel(self.recordings.samples(example.clip))
        track = sped.along(own.track, len(mel)) * np.float32(sped.factor)
        return Said(mel, track, own.middle * sped.factor), sped.durations(example.durations, len(mel))

    def _whose(self, example: Example, random: np.random.Generator) -> list[int]:
        """Places of the clips by which a row's speaker is known.

        Another clip of the same speaker, where there is one, cannot carry this clip's words.
        """
        siblings = self.siblings.get(example.clip.speaker, [])
        if not siblings or random.random() >= 0.8:
            return [example.position]
        count = int(random.integers(2, MOST + 1)) if random.random() < SEVERAL else 1
        return random.choice(siblings, min(count, len(siblings)), replace=False).tolist()

    def _another(
        self, whose: list[int], sped: perturbation.Sped, random: np.random.Generator, unheard: float
    ) -> tuple[np.ndarray, np.ndarray]:
        """Timbre (192,) and sounds (K, M + 1) of some seconds of clips by another body, through one microphone."""
        assert self.encoder is not None
        timbres, mels, classes = [], [], []
        microphone = int(random.integers(2**32)) if random.random() < DEGRADED else None
        for position in whose:
            clip, part = self.recordings.clips[position], self._window(position, random)
            mel = sped.mel(self.recordings.samples(clip, part.start, min(part.stop, clip.frames) - part.start))
            heard = reference.scaled(mel if microphone is None else degrade(mel, np.random.default_rng(microphone)))
            timbres.append(self.encoder.run(mel=heard[None])["timbre"][0])
            mels.append(heard)
            classes.append(sped.along(np.asarray(self.heard.of(position)[part]), len(heard)))
        if random.random() < unheard:
            return np.mean(timbres, axis=0), np.zeros(aligner.SOUNDS, np.float32)
        return np.mean(timbres, axis=0), aligner.mean_sounds(np.concatenate(mels), np.concatenate(classes))

    def sounds(self, whose: list[int], random: np.random.Generator, unheard: float) -> np.ndarray:
        """`aligner.mean_sounds` of some seconds of clips, (K, M + 1); of nothing in the share `unheard` of calls."""
        if random.random() < unheard:
            return np.zeros(aligner.SOUNDS, np.float32)
        parts = [(position, self._window(position, random)) for position in whose]
        mels = [reference.scaled(self.recordings.mel(self.recordings.clips[at]))[part] for at, part in parts]
        classes = [np.asarray(self.heard.of(at)[part]) for at, part in parts]
        return aligner.mean_sounds(np.concatenate(mels), np.concatenate(classes))

    def _window(self, position: int, random: np.random.Generator) -> slice:
        """Where the seconds that are heard of a clip lie."""
        window = int(random.integers(*REFERENCE_FRAMES))
        first = int(random.integers(0, max(1, self.recordings.clips[position].frames - window)))
        return slice(first, first + window)

    def semantic(self, example: Example) -> np.ndarray:
        """What the words of a clip's phonemes mean, (P, S)."""
        return self.vectors.of(example.clip.id, len(example.ids))

    def batch(self, group: list[Example], random: np.random.Generator) -> Batch:
        rows = [self.row(example, random) for example in group]
        frames = np.array([len(row["mel"]) for row in rows])
        counts = np.array([len(row["ids"]) for row in rows])
        result = {}
        for name in rows[0]:
            values = [row[name] for row in rows]
            longest = max(len(value) for value in values)
            if name in ("mel", "voiced", "plan", "owner"):
                longest += longest % 2  # the network steps over pairs of frames
            padding = [[(0, longest - len(value)), *[(0, 0)] * (value.ndim - 1)] for value in values]
            result[name] = torch.from_numpy(
                np.stack([np.pad(value, pad) for value, pad in zip(values, padding, strict=True)])
            )
        for name, lengths in (("mask", frames), ("phoneme_mask", counts)):
            flags = np.arange(result["mel" if name == "mask" else "ids"].shape[1])[None] < lengths[:, None]
            result[name] = torch.from_numpy(flags.astype(np.float32)[..., None])
        return result


def batches(
    collator: Collator,
    rows: list[Example],
    seed: int,
    budget: int = 6000,
    real_share: float = 1.0,
    repeated: Mapping[str, int] = NEVER,
) -> Iterator[Batch]:
    """Endless epochs of length-sorted batches of at most `budget` padded frames.

    `real_share` is how much of the real speech takes part in each epoch beside all of the synthetic. Of the read word
    lists it is a fifth of that: two people's words teach less than hundreds of people's sentences. Clips of a speaker
    in `repeated` take part so many times: those who are heard most often shall be said best.
    """
    random = np.random.Generator(np.random.Philox(seed))
    share = {"synthetic": 1.0} | dict.fromkeys(WORD_LISTS, 0.2 * real_share)
    while True:
        often = (row for row in rows for _ in range(repeated.get(row.clip.speaker, 1)))
        chosen = [row for row in often if random.random() < share.get(row.clip.set, real_share)]
        lengths = np.array([row.clip.frames for row in chosen])
        for group in batches_by_length(lengths, budget, random):
            yield collator.batch([chosen[index] for index in group], random)


class Check:
    """Losses on held-out clips with and without the latent; the first of them to look at and to hear."""

    def __init__(
        self,
        collator: Collator,
        held_out: list[Example],
        latent: float,
        out: Path,
        size: int = 16,
        vocoder: Path = SHIPPED / "vocoder.onnx",
    ) -> None:
        rows = held_out[:: max(1, len(held_out) // (4 * size))][: 4 * size]
        # A generator for each batch keeps the draw of the timbre clips the same at every check.
        self._batches = [
            collator.batch(rows[first : first + size], np.random.Generator(np.random.Philox(first)))
            for first in range(0, len(rows), size)
        ]
        self._ways = {"feed_forward": 0.0} | ({"latent": 1.0} if latent else {})
        self._out = out
        self._vocoder = vocoder

    def __call__(self, net: AcousticNet, step: int) -> dict[str, float]:
        figures: dict[str, float] = {}
        device = next(net.parameters()).device.type
        with torch.no_grad(), mixed_precision(device):
            for way, kept in self._ways.items():
                found = [
                    losses(net, {name: value.to(device) for name, value in batch.items()}, kept)
                    for batch in self._batches
                ]
                for name in found[0]:
                    figures[f"held_out_{way}_{name}"] = round(float(np.mean([float(one[name]) for one in found])), 4)
        self._sample(net, step, device)
        return figures

    def _sample(self, net: AcousticNet, step: int, device: str) -> None:
        batch = {name: value[:1].to(device) for name, value in self._batches[0].items()}
        with torch.no_grad():
            condition = net.conditioner(batch["timbre"], batch["style"], batch["quality"])
            text, _ = net.text(batch["ids"], batch["semantic"], batch["sounds"], condition, batch["phoneme_mask"])
            x = net.frames(text, batch["owner"], batch["plan"])
            _, mel, voicing = net.decode(x, None, condition, batch["mask"])
        count = int(batch["mask"].sum())
        shown = {"meant": batch["mel"], f"said at step {step}": mel}
        mels = {
            name: value[0, :count].float().cpu().numpy() * audio.MEL_SPREAD + audio.MEL_CENTRE
            for name, value in shown.items()
        }
        place = self._out / "samples" / f"{step:06d}"
        samples.picture(place.with_suffix(".png"), mels)
        octaves = batch["plan"][0, :count, 0].float().cpu().numpy()
        voiced = voicing[0, :count].float().cpu().numpy() > 0
        hertz = np.where(voiced, PITCH_CENTRE * np.exp2(octaves), 0.0).astype(np.float32)
        samples.sound(place.with_suffix(".wav"), mels[f"said at step {step}"], hertz, self._vocoder)


def start_from_usual_sounds(net: AcousticNet, collator: Collator, clips: int = 600) -> None:
    """Let the network begin with everybody's mean sounds, so that only what is a speaker's own has to be learnt."""
    total = np.zeros(aligner.SOUNDS, np.float64)
    for position in range(0, len(collator.recordings.clips), max(1, len(collator.recordings.clips) // clips)):
        mel = reference.scaled(collator.recordings.mel(collator.recordings.clips[position]))
        sounds = aligner.mean_sounds(mel, np.asarray(collator.heard.of(position)))
        total += np.concatenate([sounds[:, :-1] * sounds[:, -1:], sounds[:, -1:]], axis=1)
    usual = torch.from_numpy((total[:, :-1] / np.maximum(total[:, -1:], 1.0)).astype(np.float32))
    with torch.no_grad():
        net.text.own.usual.copy_(usual)
        net.text.own_again.usual.copy_(usual)
