"""A voice that is like somebody, but not surely them: noise of the shape in which voices differ.

Timbre vectors have 192 numbers, yet people fill only about twenty directions of that space. Noise in all directions
alike is filtered out by whoever knows this; so the noise here follows the covariance of timbre and pitch over many
speakers, which the weights carry along. Strength 1 moves a voice as far as people are from the mean of all.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from datetime import date
from pathlib import Path

import numpy as np

from . import consent, synthesis
from .consent import Kind, Use
from .errors import BadOption, BrokenModel
from .reference import Profile
from .signing import SigningKey
from .voices import Voice

AXES = 24
"""Directions that are kept: they hold 98 % of what timbre and pitch vary by."""
FIELD = "voice_axes"
WEAKEST, STRONGEST = 0.1, 4.0


def axes(timbre: np.ndarray, pitch: np.ndarray) -> np.ndarray:
    """Principal axes (24, 193) of speakers' timbre (N, 192) and log pitch (N,), each as long as its deviation."""
    features = np.concatenate([timbre, np.log(pitch)[:, None]], axis=1)
    values, vectors = np.linalg.eigh(np.cov(features.T))
    first = np.argsort(values)[::-1][:AXES]
    return (vectors[:, first] * np.sqrt(np.maximum(values[first], 0.0))).T


def shipped_axes(models: Path | None = None) -> np.ndarray:
    """Those of the weights, (24, 193). Raises BrokenModel where these do not say how voices differ."""
    path = (models or synthesis.SHIPPED) / "model.json"
    try:
        found = np.array(json.loads(path.read_text(encoding="utf-8"))[FIELD], dtype=np.float64)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise BrokenModel(f"{path}: these weights do not say how voices differ; export them anew") from error
    if found.ndim != 2 or not np.isfinite(found).all():
        raise BrokenModel(f"{path}: {FIELD} is damaged; reinstall resay")
    return found


def full_axes(directions: np.ndarray) -> np.ndarray:
    """As many axes as there are dimensions, (193, 193): the rest gets as much noise as the shortest axis that is known.

    Without it, what little of a voice lies beside the axes would stay clear, and be enough to find its speaker.
    """
    lengths = np.linalg.norm(directions, axis=1)
    rest = np.linalg.svd(directions / lengths[:, None])[2][len(directions) :]
    return np.concatenate([directions, lengths.min() * rest])


def blurred_profile(profile: Profile, strength: float, directions: np.ndarray, random: np.random.Generator) -> Profile:
    """With noise on timbre, pitch and style; without how single sounds are made, and without what tuning has added.

    Raises BadOption where the weights are for another size of timbre.
    """
    size = len(profile.timbre)
    if directions.shape[1] != size + 1:
        raise BadOption("this voice was made with other weights; clone it anew before it is blurred")
    every = full_axes(directions)
    noise = strength * (random.standard_normal(len(every)) @ every)
    timbre = profile.timbre + noise[:size]
    # Style is in standard deviations of ordinary speech already, its sixteen numbers nearly independent.
    style = np.clip(profile.style + strength * random.standard_normal(len(profile.style)), -3.0, 3.0)
    pitch = float(np.clip(profile.pitch * np.exp(noise[size]), 60.0, 400.0))
    return Profile((timbre / np.linalg.norm(timbre)).astype(np.float32), style.astype(np.float32), round(pitch, 1))


def blurred(voice: Voice, strength: float, name: str, directions: np.ndarray, today: date) -> Voice:
    """A copy to hand out: other vectors, and nothing that names the speaker, the clip or how it was recorded.

    The noise follows from this machine's secret key, the voice and the strength: who gets the copy twice cannot average
    the noise away. Raises ConsentMissing, BadOption.
    """
    if not WEAKEST <= strength <= STRONGEST:
        raise BadOption(f"--blur {strength:g} is outside {WEAKEST:g} to {STRONGEST:g}")
    voice.consent.require(Use.SPEAK, today)
    strength = round(strength, 1)
    # Ed25519 signatures of equal content are equal, and nobody without the key can foretell them.
    key = SigningKey.kept(consent.folder() / consent.KEY_FILE)
    drawn = hashlib.sha256(key.sign(f"resay blur 1 {voice.digest} {strength}".encode()).value.encode()).digest()
    random = np.random.Generator(np.random.Philox(np.random.SeedSequence(int.from_bytes(drawn, "big"))))
    agreed = voice.consent if voice.consent.kind is Kind.EMBEDDED else consent.derived(voice.consent, today)
    return replace(
        voice,
        name=name,
        profile=blurred_profile(voice.profile, strength, directions, random),
        consent=agreed,
        gender="",
        description=f"blurred by {strength:g}",
        source="",
        quality={},
        seed=None,
        tags=(),
    )
