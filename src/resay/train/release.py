"""From trained networks to the folder that ships: graphs, `model.json`, default voices."""

from __future__ import annotations

import json
import platform
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from .. import aligner, audio, blurring, consent, own_sounds, reference, synthesis, text, weights
from ..audio import FORMAT
from ..prosody import Codes
from ..reference import Profile
from ..voices import Voice, VoiceLibrary
from . import loop
from .annotations import Heard, Profiles
from .prosody_net import ProsodyShape
from .recordings import Clip, Recordings

DEFAULT_VOICES = {
    "lan": ("zh", "female", "zf_xiaobei:1", "a clear, bright woman's voice"),
    "bo": ("zh", "male", "zm_yunjian:1", "a firm man's voice"),
    "ada": ("en", "female", "af_heart:1", "a warm woman's voice"),
    "leo": ("en", "male", "am_michael:1", "a steady man's voice"),
}
"""Name of each shipped voice: language, gender, the synthetic speaker whose clips it is measured on, description."""
CLIP_BLEND = ("af_bella:1", "zf_xiaoxiao:1")
"""Synthetic speakers whose mean speaks the clip of the demo: a voice that no other file holds."""
CLIP_TEXT = "Hello, this is a voice that does not exist. Please lend it your words, and I will say them again."
CURVES_INTRODUCTION = """Written by `resay train curves` from what `model.json` records of the weights that ship.
How to train: `runs/speedrun.sh`. Losses without a prefix are means over the training batches since the row before."""
SHIPPED = synthesis.SHIPPED
LICENCE = "Weights: Apache-2.0. Trained on the recordings that NOTICE lists, under the licences named there."


def repeated(default_voices: int) -> dict[str, int]:
    """Of the speakers that default voices are measured on, how often their clips stand in an epoch."""
    return {speaker: default_voices for _, _, speaker, _ in DEFAULT_VOICES.values()}


@dataclass(frozen=True, eq=False)
class Speakers:
    """Whose voice can be made out of the recordings."""

    recordings: Recordings
    profiles: Profiles
    heard: Heard

    def profile(self, speaker: str, language: str = "") -> Profile:
        """What a speaker's clips, those in `language` where it is told, have in common.

        One clip's mood does not become the voice: timbre, style and sounds are means. Pitch is the median, since
        synthetic speakers have the delivery of somebody else at times, most in what is not their language, who may be a
        woman where they are a man.
        """
        clips = enumerate(self.recordings.clips)
        rows = [index for index, clip in clips if clip.speaker == speaker and language in ("", clip.language)]
        if not rows:
            raise ValueError(f"no clip is spoken by {speaker} {language}".rstrip())
        timbre = self.profiles.timbre[rows].mean(axis=0)
        pitch = float(np.median(self.profiles.pitch[rows]))
        mels = [reference.scaled(self.recordings.mel(self.recordings.clips[index])) for index in rows]
        sounds = aligner.mean_sounds(np.concatenate(mels), np.concatenate([self.heard.of(index) for index in rows]))
        style = self.profiles.style[rows].mean(axis=0)
        return Profile(timbre / np.linalg.norm(timbre), style, round(pitch, 2), sounds)

    def blend(self, speakers: Sequence[str]) -> Profile:
        """A voice between several: mean of timbre, style, log pitch and sounds."""
        parts = [self.profile(speaker) for speaker in speakers]
        timbre = np.mean([part.timbre for part in parts], axis=0)
        pitch = float(np.exp(np.mean([np.log(part.pitch) for part in parts])))
        style = np.mean([part.style for part in parts], axis=0)
        sounds = np.mean([part.sounds for part in parts if part.sounds is not None], axis=0)
        return Profile((timbre / np.linalg.norm(timbre)).astype(np.float32), style, round(pitch, 2), sounds)


def write_voices(speakers: Speakers, folder: Path) -> None:
    """The default voices, as `.voice` files."""
    for name, (language, gender, speaker, description) in DEFAULT_VOICES.items():
        profile = speakers.profile(speaker, language)
        voice = Voice(
            name,
            language,
            profile,
            consent.embedded(name),
            gender,
            description,
            source=f"synthetic speech by Kokoro-82M v1.0 (Apache-2.0), {speaker.split(':')[0]}",
        )
        voice.save(folder / f"{name}.voice")


def write_clip(speakers: Speakers, models: Path, path: Path) -> None:
    """The clip that the demo clones: spoken by the exported model itself, in a blend that is not shipped."""
    voice = Voice("clip", "en", speakers.blend(CLIP_BLEND), consent.embedded("clip"))
    speech = synthesis.Engine(models).say(synthesis.Request(CLIP_TEXT), voice)
    audio.write(path, speech.audio)


def material(clips: Sequence[Clip]) -> dict[str, Any]:
    """What the training manifest says of recordings: hours of each set, and all licences."""
    seconds: dict[str, float] = {}
    for clip in clips:
        seconds[clip.set] = seconds.get(clip.set, 0.0) + FORMAT.seconds(clip.frames)
    hours = {name: round(value / 3600, 2) for name, value in sorted(seconds.items())}
    return {"hours": hours, "licences": sorted({clip.licence for clip in clips})}


def record(options: loop.Options, stage: str, shape: Any, material: dict[str, Any], init: Path | None = None) -> None:
    """The training manifest of one stage: what on, with what, for how long, and how well.

    Weights that started from those in `init` go on with the story told there.
    """
    commit = subprocess.run(["git", "rev-parse", "HEAD"], capture_output=True, text=True, check=False).stdout.strip()
    content = {
        "stage": stage,
        "options": loop.describe(options),
        "shape": shape.__dict__,
        **material,
        "commit": commit,
        "torch": torch.__version__,
        "machine": platform.processor() or platform.machine(),
        "curve": curve(options.out / "log.jsonl"),
    }
    earlier = training_of(init).get(stage) if init else None
    if earlier:
        content |= _continued(earlier, content["curve"])
    (options.out / "training.json").write_text(json.dumps(content, indent=1, default=str) + "\n", encoding="utf-8")


def training_of(models: Path) -> dict[str, Any]:
    """The training manifests of exported weights, by stage."""
    return weights.model_shape(models)["training"]


def latent_strength(models: Path) -> float:
    """How strong the latent of exported weights is when they speak."""
    return float(weights.model_shape(models)["latent_strength"])


def _continued(earlier: dict[str, Any], curve: list[dict[str, float]]) -> dict[str, Any]:
    """The curve of several runs as one, minutes counted on, and a line for each run before the last."""
    done = earlier["curve"][-1]["minutes"]
    run = {name: earlier[name] for name in ("commit", "note") if name in earlier}
    run |= {"minutes": done, "learning_rate": earlier["options"]["learning_rate"]}
    return {
        "before": [*earlier.get("before", []), run],
        "curve": earlier["curve"] + [point | {"minutes": round(point["minutes"] + done, 1)} for point in curve],
    }


def copy_graphs(stage: str, source: Path, models: Path) -> None:
    """The graphs of a stage as they were exported before."""
    for path in source.glob(f"{stage}*.onnx"):
        audio.write_bytes(models / path.name, path.read_bytes())


def copy_semantic(runs: Path, models: Path, init: Path | None = None) -> None:
    """The semantic encoder into the folder that ships: as trained, or else as exported before."""
    folder = runs / "semantic"
    copy_graphs("semantic", folder if (folder / "semantic.onnx").exists() or not init else init, models)


def curve(log: Path, points: int = 24) -> list[dict[str, float]]:
    """The learning curve of a run: at most `points` of its checks, the last among them."""
    lines = [json.loads(line) for line in log.read_text(encoding="utf-8").splitlines()]
    chosen = np.unique(np.linspace(0, len(lines) - 1, points).round().astype(int))
    return [lines[index] for index in chosen]


def write_curves(models: Path, path: Path) -> None:
    """The learning curves that `model.json` records, as a page of tables."""
    parts = [
        "# Training",
        CURVES_INTRODUCTION,
    ]
    for stage, record in training_of(models).items():
        amounts = ", ".join(f"{name} {value:g}" for name, value in record.get("hours", record.get("lines", {})).items())
        unit = "Hours of speech" if "hours" in record else "Lines of text"
        options = record["options"]
        parts += [
            f"## {stage.capitalize()}",
            f"{unit} at hand: {amounts}. Licences: {'; '.join(record['licences'])}.",
            f"Seed {options['seed']}, learning rate {options['learning_rate']:g}, torch {record['torch']}.",
        ]
        names = [name for name in record["curve"][-1] if name != "gradient"]
        rows = ["| " + " | ".join(names) + " |", "|" + "-|" * len(names)]
        rows += ["| " + " | ".join(str(point.get(name, "")) for name in names) + " |" for point in record["curve"]]
        parts.append("\n".join(rows))
    audio.write_bytes(path, ("\n\n".join(parts) + "\n").encode())


def guides(speakers: Speakers, clips: int = 8) -> dict[str, list[list[float]]]:
    """Timbres, by language, of the synthetic speakers with many clips: natives whose delivery is well known."""
    recordings = speakers.recordings
    found: dict[str, dict[str, list[int]]] = {}
    for index, clip in enumerate(recordings.clips):
        if clip.set == "synthetic":
            found.setdefault(clip.language, {}).setdefault(clip.speaker, []).append(index)
    answer = {}
    for language, people in found.items():
        chosen = [rows for rows in people.values() if len(rows) >= clips]
        means = [speakers.profiles.timbre[rows].mean(axis=0) for rows in chosen]
        answer[language] = [np.round(mean / np.linalg.norm(mean), 4).astype(float).tolist() for mean in means]
    return answer


def write_codes(path: Path, codes: Codes) -> None:
    audio.write_bytes(path, json.dumps(_code_lists(codes)).encode())


def read_codes(path: Path) -> Codes:
    """Codes of `write_codes`, or of a `model.json`."""
    content = json.loads(path.read_text(encoding="utf-8"))
    content = content.get("codes", content)
    return Codes(**{name: np.array(content[name], dtype=np.float32) for name in synthesis.CODE_NAMES})


def _code_lists(codes: Codes) -> dict[str, Any]:
    return {name: np.round(getattr(codes, name).astype(float), 4).tolist() for name in synthesis.CODE_NAMES}


def voice_axes(speakers: Speakers) -> list[list[float]]:
    """How real people's voices differ, for `blurring`: from the first clip of each, so that nobody counts twice."""
    first: dict[tuple[str, str], int] = {}
    for index, clip in enumerate(speakers.recordings.clips):
        if clip.set != "synthetic":
            first.setdefault((clip.set, clip.speaker), index)
    rows, profiles = list(first.values()), speakers.profiles
    return np.round(blurring.axes(profiles.timbre[rows], profiles.pitch[rows]), 4).tolist()


def write_shape(
    folder: Path, speakers: Speakers, codes: Codes, shape: ProsodyShape, strength: float, training: dict[str, Any]
) -> None:
    """`model.json`: everything about the graphs beside it that is no weight, their digests, and how they came about."""
    profiles = speakers.profiles
    content = {
        "name": "resay",
        "phoneme_table": text.phonemes.VERSION,
        "format": audio.FORMAT.__dict__,
        "style_mean": np.round(profiles.style_mean.astype(float), 5).tolist(),
        "style_spread": np.round(profiles.style_spread.astype(float), 5).tolist(),
        "rate_weights": np.round(profiles.rate_weights.astype(float), 5).tolist(),
        **_rate(profiles),
        blurring.FIELD: voice_axes(speakers),
        "codes": _code_lists(codes),
        "cache": [shape.layers, 2, 1, shape.heads, 0, shape.width // shape.heads],
        "latent_strength": strength,
        **_certain(speakers.heard),
        "guides": guides(speakers),
        "licence": LICENCE,
        "training": training,
    }
    _write_with_digests(folder, content)


def _certain(heard: Heard) -> dict[str, float]:
    """From which probability on the aligner is certain, where it was asked."""
    return {} if heard.certain is None else {"certain": round(heard.certain, 4)}


def _rate(profiles: Profiles) -> dict[str, Any]:
    """What the rate of a clip with known words is measured against, where that is known."""
    usual = profiles.usual_rate
    if usual is None:
        return {}
    lengths = np.round(usual.lengths.astype(float), 4).tolist()
    return {"rate": {"usual": lengths, "mean": round(usual.mean, 5), "spread": round(usual.spread, 5)}}


def write_rehearsal(folder: Path) -> None:
    """Put into a finished folder's `model.json` what every voice rehearses, as its first default voice would say it."""
    content = weights.model_shape(folder)
    content.pop(synthesis.REHEARSAL, None)
    _write_with_digests(folder, content)
    engine, voices = synthesis.Engine(folder), VoiceLibrary([folder / "voices"])
    lines = {}
    for language, sentences in own_sounds.SENTENCES.items():
        speaker = next(voice for voice in voices if voice.language == language)
        said = [engine.stream(synthesis.Request(text, seed=0, language=language), speaker) for text in sentences]
        lines[language] = [
            own_sounds.Line(piece.sentence.ids, piece.plan).to_json() for pieces in said for piece in pieces
        ]
    _write_with_digests(folder, content | {synthesis.REHEARSAL: lines})


def _write_with_digests(folder: Path, content: dict[str, Any]) -> None:
    content = weights.with_digests(content, folder)
    audio.write_bytes(folder / "model.json", (json.dumps(content, ensure_ascii=False, indent=1) + "\n").encode())
