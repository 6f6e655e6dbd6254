"""`resay train export`: the folder that ships, out of what was trained and what was exported before."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from ..errors import BadFile
from . import (
    acoustic_net,
    aligner_net,
    annotations,
    critic,
    export,
    prosody_net,
    recordings,
    reference_net,
    release,
    upper_band,
    vocoder_net,
)
from .loop import load_average
from .options import CACHE, RUNS, Cache, Runs


def _export_reference(folder: Path, models: Path, _: float) -> None:
    net = load_average(reference_net.ReferenceNet(reference_net.ReferenceShape()), folder, "encoder.")
    export.export_reference(net, models / "reference.onnx")


def _export_aligner(folder: Path, models: Path, _: float) -> None:
    net = load_average(aligner_net.AlignerNet(aligner_net.AlignerShape()), folder)
    export.export_aligner(net, models / "aligner.onnx")


def _export_vocoder(folder: Path, models: Path, _: float) -> None:
    net = load_average(vocoder_net.VocoderNet(vocoder_net.VocoderShape()), folder)
    export.export_vocoder(net, models / "vocoder.onnx")


def _export_upper_band(folder: Path, models: Path, _: float) -> None:
    net = load_average(upper_band.UpperBandNet(upper_band.UpperBandShape()), folder)
    export.export_upper_band(net, models / "upper_band.onnx")


def _export_acoustic(folder: Path, models: Path, latent_strength: float) -> None:
    net = load_average(acoustic_net.AcousticNet(acoustic_net.AcousticShape()), folder, "inner.")
    export.export_acoustic(net, models, latent=latent_strength > 0)
    export.save_latent(net, export.LATENT)
    shape = acoustic_net.AcousticShape()
    opponent = critic.Critic(critic.CriticShape(), shape.timbre + 2, shape.mel_bands)
    export.save_critic(load_average(opponent, folder, "critic."), export.CRITIC)


def _export_prosody(folder: Path, models: Path, _: float) -> None:
    export.export_prosody(load_average(prosody_net.ProsodyNet(prosody_net.ProsodyShape()), folder), models)


EXPORTS = {
    "reference": _export_reference,
    "aligner": _export_aligner,
    "vocoder": _export_vocoder,
    "upper_band": _export_upper_band,
    "acoustic": _export_acoustic,
    "prosody": _export_prosody,
}


def export_all(
    models: Annotated[Path, typer.Argument(help="Folder for the graphs.")],
    cache: Cache = CACHE,
    runs: Runs = RUNS,
    latent_strength: Annotated[float, typer.Option(help="Of the latent when speaking; 0 is feed-forward.")] = 0.0,
    clip: Annotated[Path | None, typer.Option(help="Speak the clip that the demo clones to this file.")] = None,
    init: Annotated[Path | None, typer.Option(help="Exported weights for the stages that were not trained.")] = None,
) -> None:
    """Graphs, model.json with the training manifest, and the default voices."""
    models.mkdir(parents=True, exist_ok=True)
    training = dict(release.training_of(init)) if init else {}
    training |= {path.parent.name: json.loads(path.read_text("utf-8")) for path in sorted(runs.glob("*/training.json"))}
    for stage, write in EXPORTS.items():
        if (runs / stage / "checkpoint.pt").exists():
            write(runs / stage, models, latent_strength)
        elif init:
            release.copy_graphs(stage, init, models)
        else:
            raise BadFile(f"{runs / stage}: no checkpoint; train it, or name weights to take it from with --init")
    release.copy_semantic(runs, models, init)
    data = recordings.Recordings(cache)
    speakers = release.Speakers(data, annotations.profiles(cache), annotations.Heard(data, cache))
    known = runs / "prosody" / "codes.json"
    codes = release.read_codes(known if known.exists() or not init else init / "model.json")
    release.write_shape(models, speakers, codes, prosody_net.ProsodyShape(), latent_strength, training)
    release.write_voices(speakers, models / "voices")
    release.write_rehearsal(models)
    if clip:
        release.write_clip(speakers, models, clip)


def renew(models: Annotated[Path, typer.Argument(help="Folder of exported weights.")]) -> None:
    """Write the acoustic graphs of exported weights anew, as this version does: the same weights, today's inputs."""
    net = acoustic_net.AcousticNet(acoustic_net.AcousticShape()).eval()
    export.restore(net, models / "acoustic_encoder.onnx", models / "acoustic_decoder.onnx")
    export.restore_latent(net, export.LATENT)
    export.export_acoustic(net, models, latent=release.latent_strength(models) > 0)
    release.write_rehearsal(models)
