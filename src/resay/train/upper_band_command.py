"""`resay train upper-band`: the second head, from a corpus' full-band recordings."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from . import export, loop, release, upper_band
from .options import RUNS, Device, Init, Minutes, Rate, Resume, Runs, Seed, Steps, Threads
from .recordings import is_held_out


def train_upper_band(
    corpus: Annotated[Path, typer.Argument(help="Corpus folder, with full-band recordings.")],
    runs: Runs = RUNS,
    minutes: Minutes = 2.0,
    steps: Steps = None,
    threads: Threads = 2,
    seed: Seed = 0,
    device: Device = "cpu",
    resume: Resume = False,
    learning_rate: Rate = 1e-3,
    init: Init = None,
) -> None:
    """The second head: 12 to 16 kHz, for sound at 32 kHz."""
    clips = upper_band.read(corpus)
    shape = upper_band.UpperBandShape()
    net = upper_band.UpperBandNet(shape)
    if init:
        export.restore(net, init / "upper_band.onnx")
    options = loop.Options(
        runs / "upper_band", minutes, steps, learning_rate, threads=threads, seed=seed, device=device, resume=resume
    )
    loop.train(net, upper_band.batches(clips, seed), upper_band.losses, options, upper_band.Check(clips))
    learnt = [one.clip for one in clips if not is_held_out(one.clip)]
    release.record(options, "upper_band", shape, release.material(learnt), init)
