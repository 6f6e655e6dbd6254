"""From a folder of recordings to what local training needs, on the machine where the recordings are."""

from __future__ import annotations

import io
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from ..aligner import Aligner, certainty
from ..errors import BadAudio, BadFile
from ..onnx_graph import OnnxGraph
from ..semantic import SemanticEncoder
from ..text import phonemes
from ..train import acoustic_stage, annotations, prosody_stage, recordings, vectors
from ..weights import model_shape
from .local import Example, Frozen, Spoken


def heard(folder: Path, models: Path, frozen: Frozen) -> list[Example]:
    """Recordings with a transcript beside each, aligned with the models themselves, through the frozen layers.

    What is made on the way lies in a temporary folder and is gone afterwards. Raises BadFile, BadAudio where nothing
    can be used.
    """
    with tempfile.TemporaryDirectory(prefix="resay-") as name:
        cache = Path(name)
        recordings.prepare(folder, cache, workers=1)
        data = recordings.Recordings(cache)
        profiles = annotations.listen(data, OnnxGraph(models / "reference.onnx"), cache)
        _align(data, Aligner(OnnxGraph(models / "aligner.onnx"), certainty(model_shape(models))), cache)
        rows = [row for side in (False, True) for row in acoustic_stage.examples(data, cache, held_out=side)]
        if not rows:
            raise BadAudio(f"{folder}: no recording fits its transcript")
        mean, spread = style_scale(models)
        vectors.make(data, SemanticEncoder(OnnxGraph(models / "semantic.onnx")), cache)
        meanings, nothing_heard = vectors.Vectors(cache), annotations.Heard(data, cache)
        clips = spoken(acoustic_stage.Collator(data, profiles, nothing_heard, meanings), rows, frozen)
        styles = np.clip((profiles.statistics[[row.position for row in rows]] - mean) / spread, -3.0, 3.0)
        return frozen.examples(
            [replace(clip, style=style.astype(np.float32)) for clip, style in zip(clips, styles, strict=True)]
        )


def _align(data: recordings.Recordings, aligner: Aligner, cache: Path) -> None:
    """Durations of every clip that fits its transcript, where training looks for them."""
    known = annotations.transcribe(data, cache)
    fitting = [clip for clip in data.clips if annotations.fits(clip, known[clip.id])]
    found = {clip.id: aligner.align(data.mel(clip), phonemes.ids(known[clip.id])).tolist() for clip in fitting}
    annotations.write_durations(cache, found)
    # Which sound is heard in which frame matters to the acoustic model alone, and nothing is trained of that here.
    annotations.write_heard(data, cache, {})


def style_scale(models: Path) -> tuple[np.ndarray, np.ndarray]:
    """Mean and spread of the style statistics that a folder of weights was trained with, float32 (16,) each."""
    shape = model_shape(models)
    return np.array(shape["style_mean"], dtype=np.float32), np.array(shape["style_spread"], dtype=np.float32)


def spoken(collator: acoustic_stage.Collator, rows: Sequence[acoustic_stage.Example], frozen: Frozen) -> list[Spoken]:
    """Clips of the training's own lists, as tokens of the frozen model."""
    found = []
    for row in rows:
        tokens = frozen.codes.tokens(*prosody_stage.measured(collator, row))
        timbre, style = collator.profiles.timbre[row.position], collator.style[row.position]
        found.append(Spoken(row.ids, tokens, collator.semantic(row), timbre, style))
    return found


FILE = "features.npz"
"""Under which name a membership keeps them."""


def to_bytes(examples: Sequence[Example]) -> bytes:
    """Examples as one file."""
    file = io.BytesIO()
    np.savez(
        file,
        lengths=np.array([len(example.tokens) for example in examples]),
        hidden=np.concatenate([example.hidden for example in examples]),
        tokens=np.concatenate([example.tokens for example in examples]),
    )
    return file.getvalue()


def from_bytes(content: bytes) -> list[Example]:
    """What `to_bytes` gave. Raises BadFile."""
    try:
        with np.load(io.BytesIO(content)) as file:
            ends = np.cumsum(file["lengths"])[:-1]
            hidden, tokens = np.split(file["hidden"], ends), np.split(file["tokens"], ends)
    except (OSError, ValueError, KeyError) as error:
        raise BadFile(f"the features of the recordings are damaged ({error})") from error
    return [Example(*pair) for pair in zip(hidden, tokens, strict=True)]
