"""What is asked of those who can hear: the speaker encoder, through a bridge from mels to its ears, and our aligner.

Letters in shapes: B batch, F mel frames, M mel bands, T the teacher's frames, N clips.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soxr
import torch
from rich.progress import track as progress
from torch import Tensor, nn
from torch.nn import functional

from .. import audio, reference
from ..aligner import CLASS_OF, SILENCE
from ..errors import BadFile
from . import export
from .aligner_net import AlignerNet, AlignerShape
from .layers import masked_mean
from .loop import Batch, load_average, mixed_precision
from .recordings import Clip, Recordings, batches_by_length, is_held_out
from .speaker_levels import FRAME_RATE, SAMPLE_RATE, levels
from .speaker_teacher import VECTOR, Bridge, SpeakerTeacher

CROP = 160
"""Mel frames of a crop, 2 s."""
VECTORS = "teacher.npy"
LONGEST = 280
"""Mel frames that are heard of a clip, 3.5 s."""
LEAST = 60
"""A shorter clip is not asked for."""
HISS = 0.1
"""Standard deviation of the noise on what is judged; real speech keeps 0.97 of its likeness under it."""
EACH = 10
"""Clips that are asked for of one speaker: what is more of the same voice teaches little."""


class Listener(nn.Module):
    """Teacher and bridge: what a strong speaker encoder hears in scaled mels (B, F, M). Only the bridge learns."""

    def __init__(self, judges: Path) -> None:
        super().__init__()
        self.bridge = Bridge()
        self.teacher = SpeakerTeacher(judges).requires_grad_(False).eval()

    def forward(self, mel: Tensor) -> tuple[Tensor, list[Tensor]]:
        return self.teacher(self.bridge(mel))


def bridge_losses(net: Listener, batch: Batch, asked: int = 2) -> dict[str, Tensor]:
    """How far what the bridge gives the teacher lies from what it hears in the sound itself: in levels, and in vectors.

    The teacher, who is slow, is asked about the first few crops only.
    """
    made, meant = net.bridge(batch["mel"]), batch["level"]
    with torch.no_grad():
        own, _ = net.teacher(meant[:asked])
    vector, _ = net.teacher(made[:asked])
    return {"level": (made.float() - meant).abs().mean() / 10.0, "vector": 1.0 - (vector * own).sum(dim=-1).mean()}


def _levels(recordings: Recordings, clip: Clip, first: int, frames: int) -> np.ndarray:
    """What the teacher reads of some mel frames of a clip, float32 (T, 80)."""
    samples = recordings.samples(clip, first, frames)
    samples = soxr.resample(samples, audio.FORMAT.sample_rate, SAMPLE_RATE, quality="LQ")
    return levels(samples).T[: len(samples) * FRAME_RATE // SAMPLE_RATE]


def bridge_batches(recordings: Recordings, seed: int, size: int = 24) -> Iterator[Batch]:
    """Endless crops of 2 s: our mel (B, F, M) and what the teacher reads of the same sound (B, T, 80)."""
    random = np.random.Generator(np.random.Philox(seed))
    clips = [clip for clip in recordings.clips if clip.frames > CROP and not is_held_out(clip)]
    while True:
        mels, read = [], []
        for index in random.integers(len(clips), size=size):
            clip = clips[index]
            first = int(random.integers(clip.frames - CROP))
            mels.append(reference.scaled(recordings.mel(clip)[first : first + CROP]))
            read.append(_levels(recordings, clip, first, CROP))
        yield {"mel": torch.from_numpy(np.stack(mels)), "level": torch.from_numpy(np.stack(read))}


def asked(recordings: Recordings) -> list[int]:
    """Places of the clips that the teacher is asked about: at most `EACH` of a speaker."""
    heard: dict[str, int] = {}
    places = []
    for place, clip in enumerate(recordings.clips):
        heard[clip.speaker] = heard.get(clip.speaker, 0) + (clip.frames >= LEAST)
        if clip.frames >= LEAST and heard[clip.speaker] <= EACH:
            places.append(place)
    return places


def ask(recordings: Recordings, teacher: SpeakerTeacher, cache: Path) -> int:
    """The teacher's vector of clips, kept in the cache as float16 (N, 192), zeros where it was not asked.

    Returns how many there are. Clips of like length go together; each is cut to the shortest of its batch.
    """
    places = asked(recordings)
    vectors = np.zeros((len(recordings.clips), VECTOR), np.float16)
    lengths = np.array([min(LONGEST, recordings.clips[place].frames) for place in places])
    groups = list(batches_by_length(lengths, 6000, np.random.Generator(np.random.Philox(0))))
    for group in progress(groups, "teacher", transient=True):
        count = int(lengths[group].min())
        read = [_levels(recordings, recordings.clips[places[one]], 0, count) for one in group]
        shortest = min(map(len, read))
        batch = np.stack([level[:shortest] - level[:shortest].mean(axis=0) for level in read])
        with torch.no_grad(), mixed_precision("cpu"):
            found, _ = teacher(torch.from_numpy(batch))
        vectors[[places[one] for one in group]] = found.numpy().astype(np.float16)
    np.save(cache / VECTORS, vectors)
    return len(places)


def vectors(recordings: Recordings, cache: Path) -> np.ndarray:
    """What `ask` left, float32 (N, 192). Raises BadFile where it has not run on these recordings."""
    path = cache / VECTORS
    if not path.exists():
        raise BadFile(f"{path}: the teacher was not asked; run `resay train teacher` first")
    found = np.load(path).astype(np.float32)
    if len(found) != len(recordings.clips):
        raise BadFile(f"{path}: made from other recordings; run `resay train teacher` again")
    return found


def likeness(listener: Listener, said: Tensor, meant: Tensor) -> dict[str, Tensor]:
    """How unlike stretches said (B, F, M) sound to the teacher from those meant: in its layers, and in its vector.

    The layers' distance is a perceptual loss (Johnson et al. 2016): every layer counts alike, whatever its scale.
    """
    with torch.no_grad():
        own, features = listener(meant)
    # Through a little hiss, so that nothing too faint for a listener can please this one alone.
    vector, heard = listener(said + HISS * torch.randn_like(said))
    pairs = zip(heard, features, strict=True)
    distances = [(a.float() - b.float()).abs().mean() / b.float().abs().mean() for a, b in pairs]
    return {"heard": torch.stack(distances).mean(), "likeness": 1.0 - functional.cosine_similarity(vector, own).mean()}


@dataclass(frozen=True)
class Ears:
    """Who hears what the acoustic model says while it is trained; nothing of them learns."""

    aligner: AlignerNet
    """Hears words."""
    listener: Listener | None = None
    """Hears voices, where there is a teacher."""


def ears(runs: Path, models: Path, judges: Path | None) -> Ears:
    """The aligner that was trained in `runs`, else that of exported weights; and, given a folder, the teacher.

    The bridge between the teacher and our mels is what `resay train teacher` fitted.
    """
    hears = AlignerNet(AlignerShape())
    if (runs / "aligner" / "checkpoint.pt").exists():
        load_average(hears, runs / "aligner")
    else:
        export.restore(hears, models / "aligner.onnx")
    listener = None
    if judges is not None:
        listener = Listener(judges)
        load_average(listener, runs / "teacher").requires_grad_(False)
    return Ears(hears.eval().requires_grad_(False), listener)


def misheard(aligner: AlignerNet, said: Tensor, meant: Tensor, mask: Tensor) -> Tensor:
    """How far the sounds that the aligner hears in mels said (B, F, M) are from those in the mels meant, nats a frame.

    The divergence of its posteriors (Kullback and Leibler 1951): a mel may be close on average and yet another word.
    """
    with torch.no_grad():
        own = aligner(meant, mask)
    return masked_mean((own.exp() * (own - aligner(said, mask))).sum(dim=-1, keepdim=True), mask)


def unclear(aligner: AlignerNet, said: Tensor, batch: Batch) -> Tensor:
    """How little the aligner hears the sounds that were planned in mels said (B, F, M), nats a frame; pauses left out.

    Unlike `misheard` this does not take over what somebody's recordings leave unclear.
    """
    planned = torch.from_numpy(CLASS_OF)[batch["ids"]].gather(1, batch["owner"]).unsqueeze(-1)
    found = aligner(said, batch["mask"]).gather(-1, planned)
    return masked_mean(-found, batch["mask"] * (planned != SILENCE))
