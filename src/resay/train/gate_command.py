"""`resay train gate|doubts`: what the quality gate and the alignment judge by, beside the networks that speak."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from .. import audio
from ..alignment.doubts import SHIPPED as DOUBTS
from ..alignment.doubts import Doubts
from ..gate.ears import SHIPPED as EARS
from ..onnx_graph import OnnxGraph
from ..synthesis import Engine
from . import doubts_stage, export, gate_net, gate_stage, loop, recordings

Cache = Annotated[Path, typer.Option(help="Where features are kept.")]


def train_gate(
    cache: Cache = Path("runs/cache"),
    runs: Annotated[Path, typer.Option(help="Where checkpoint and log go.")] = Path("runs/out"),
    models: Annotated[Path, typer.Option(help="Where the graph and its thresholds go.")] = EARS,
    count: Annotated[int, typer.Option(help="Spoiled crops to learn from.")] = 12_000,
    steps: Annotated[int, typer.Option(help="Steps of training.")] = 3_000,
    threads: Annotated[int, typer.Option(help="Processor threads.")] = 2,
    seed: Annotated[int, typer.Option(help="Of the crops, the weights and the order.")] = 0,
) -> None:
    """The gate's network: music, echo, a second voice; then where to draw the lines."""
    rows = gate_stage.examples(cache, False, seed, count, threads)
    checked = gate_stage.examples(cache, True, seed + 1, max(200, count // 8), threads)
    options = loop.Options(
        runs / "gate", steps=steps, learning_rate=2e-3, warmup=80, threads=threads, seed=seed, decay=0.99
    )
    net = loop.train(
        gate_net.GateNet(gate_net.GateShape()),
        gate_stage.batches(rows, seed),
        gate_net.losses,
        options,
        lambda average, step: gate_stage.separation(average, checked),
    )
    models.mkdir(parents=True, exist_ok=True)
    export.export_gate(net, models / "ears.onnx")
    fit_gate(cache, models, seed)


def fit_gate(cache: Path, models: Path, seed: int = 0) -> None:
    """Write the thresholds that belong to an exported network."""
    graph = OnnxGraph(models / "ears.onnx")
    found = gate_stage.thresholds(recordings.Recordings(cache), graph, Engine().reference, seed)
    audio.write_bytes(models / "thresholds.json", (json.dumps(found, indent=1) + "\n").encode())


def train_doubts(
    cache: Cache = Path("runs/cache"),
    target: Annotated[Path, typer.Option(help="The file of the fitted models.")] = DOUBTS,
    count: Annotated[int, typer.Option(help="Clips to fit on.")] = 6_000,
    weights: Annotated[
        Path | None, typer.Option("--models", help="Folder of weights whose aligner is heard with.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Of the clips and of the words changed.")] = 0,
) -> None:
    """How sure an alignment may be of a word, and of words that the text lacks."""
    data = recordings.Recordings(cache)
    lengths = doubts_stage.usual_lengths(data, cache)
    clips = doubts_stage.chosen(data, count, seed)
    words, places = doubts_stage.gather(data, clips, Engine(weights, threads=1).aligner, lengths, seed)
    alarms = doubts_stage.FALSE_ALARMS
    models = doubts_stage.fit(words, alarms["words"], seed), doubts_stage.fit(places, alarms["places"], seed)
    doubts_stage.write(Doubts(*models, lengths), target)
