"""`resay train semantic`: the semantic encoder, from text."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from ..errors import BadOption
from . import loop, semantic_net, semantic_stage

PIECES = "pieces.txt"
"""The vocabulary, beside the checkpoint."""
SAVE_MINUTES = 3.0


def train_semantic(
    texts: Annotated[list[Path], typer.Argument(help="Text, a sentence a line; gzip or plain.")],
    sentences: Annotated[Path, typer.Option(help="Sentences with a marked character, as the CPP data set has them.")],
    labels: Annotated[Path, typer.Option(help="The readings of the marked characters, a line each.")],
    runs: Annotated[Path, typer.Option(help="Where checkpoints and logs go.")] = Path("runs/out"),
    minutes: Annotated[float, typer.Option(help="Wall-clock budget.")] = 35.0,
    steps: Annotated[int | None, typer.Option(help="Step budget instead of minutes.")] = None,
    threads: Annotated[int, typer.Option(help="Processor threads.")] = 1,
    seed: Annotated[int, typer.Option(help="Of the starting weights and of the order of the data.")] = 0,
    device: Annotated[str, typer.Option(help="cpu or cuda.")] = "cpu",
    resume: Annotated[bool, typer.Option(help="Go on from the checkpoint.")] = False,
    learning_rate: Annotated[float, typer.Option(help="Highest learning rate.")] = 2e-3,
) -> None:
    """The semantic encoder: what a sentence means, phoneme by phoneme, and readings of ambiguous characters."""
    for path in (*texts, sentences, labels):
        if not path.is_file():
            raise BadOption(f"{path}: no such file")
    out = runs / "semantic"
    kept = out / PIECES
    pieces = kept.read_text(encoding="utf-8").split("\n") if resume and kept.exists() else None
    data = semantic_stage.material(texts, sentences, labels, pieces)
    out.mkdir(parents=True, exist_ok=True)
    kept.write_text("\n".join(data.subwords.pieces), encoding="utf-8")
    (out / "readings.txt").write_text(data.readings.text(), encoding="utf-8")
    shape = semantic_net.SemanticShape(len(data.subwords), len(data.readings.numbers))
    options = loop.Options(
        out,
        minutes,
        steps,
        learning_rate,
        threads=threads,
        seed=seed,
        device=device,
        resume=resume,
        save_minutes=SAVE_MINUTES,
        weights={"recalled": 0.3, "tags": 0.3, "pauses": 0.3},
    )
    net = semantic_net.SemanticNet(shape)
    loop.train(
        net, semantic_stage.batches(data, seed), semantic_net.losses, options, semantic_stage.Check(data)
    )
    (out / "shape.json").write_text(json.dumps(shape.__dict__) + "\n", encoding="utf-8")
