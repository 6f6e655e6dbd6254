"""`resay train vocoder`: from mel and pitch to samples."""

from __future__ import annotations

from . import export, loop, recordings, release, vocoder_net, vocoder_stage
from .options import CACHE, RUNS, Cache, Device, Init, Minutes, Rate, Repeated, Resume, Runs, Seed, Steps, Threads


def train_vocoder(
    cache: Cache = CACHE,
    runs: Runs = RUNS,
    minutes: Minutes = 60.0,
    steps: Steps = None,
    threads: Threads = 2,
    seed: Seed = 0,
    device: Device = "cpu",
    resume: Resume = False,
    learning_rate: Rate = 1e-3,
    init: Init = None,
    default_voices: Repeated = 1,
) -> None:
    """The vocoder."""
    data = recordings.Recordings(cache)
    shape = vocoder_net.VocoderShape()
    net = vocoder_net.VocoderNet(shape)
    if init:
        export.restore(net, init / "vocoder.onnx")
    options = loop.Options(
        runs / "vocoder", minutes, steps, learning_rate, threads=threads, seed=seed, device=device, resume=resume
    )
    batches = vocoder_stage.batches(data, seed, repeated=release.repeated(default_voices))
    loop.train(net, batches, vocoder_stage.losses, options)
    release.record(options, "vocoder", shape, release.material([clip for clip, _ in vocoder_stage.chosen(data)]), init)
