"""`resay train semantic`: the semantic encoder, from text; and what is made with it."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Annotated

import torch
import typer

from .. import semantic
from ..errors import BadOption
from . import export, foreign, loop, release, semantic_net, semantic_stage, vectors
from .options import CACHE, RUNS, Cache, Device, Init, Minutes, Rate, Resume, Runs, Seed, Steps, Threads
from .recordings import Recordings
from .semantic_net import SemanticNet, SemanticShape
from .semantic_stage import Material

GRAPH = "semantic.onnx"
PIECES = "pieces.txt"
"""The vocabulary, beside the checkpoint."""
TASKS = Path("runs/checkpoints/semantic.safetensors")
SAVE_MINUTES = 5.0
WARMUP = 50
"""Steps; tuning may have no more than a hundred."""
WEIGHTS = {"recalled": 0.3, "tags": 0.3, "pauses": 0.3}
SMALL = {"width": 128, "layers": 3}
"""What distillation makes of the shape."""

Texts = Annotated[list[Path], typer.Argument(help="Text, a sentence a line; gzip or plain.")]
Sentences = Annotated[Path, typer.Option(help="Sentences with a marked character, as the CPP data set has them.")]
Labels = Annotated[Path, typer.Option(help="The readings of the marked characters, a line each.")]
Licence = Annotated[list[str] | None, typer.Option(help="Of the text, for the training manifest; may repeat.")]
Tune = Annotated[Path | None, typer.Option(help="Go on from exported weights, on this text of a domain alone.")]
Freeze = Annotated[int | None, typer.Option(help="How many layers stay as they are, the lowest first.")]
Distil = Annotated[bool, typer.Option("--distil", help="Make a smaller encoder that follows the exported one.")]
Encoder = Annotated[Path | None, typer.Option(help="Follow a Hugging Face encoder: model.onnx and tokenizer.json.")]


@dataclass(frozen=True)
class _Variant:
    """What kind of encoder is asked for."""

    init: Path | None
    tune: Path | None
    freeze: int | None
    distil: bool
    encoder: Path | None

    def __post_init__(self) -> None:
        if sum((self.tune is not None, self.distil, self.encoder is not None)) > 1:
            raise BadOption("--tune, --distil and --encoder are three different things; give one of them")
        if self.freeze is not None and self.start is None:
            raise BadOption("--freeze keeps layers of exported weights: it goes with --tune or --init")

    @property
    def name(self) -> str:
        """The folder of the run; those of variants lie inside, where no export of all weights takes them along."""
        kind = "tuned" if self.tune else "small" if self.distil else "following" if self.encoder else ""
        return f"semantic/{kind}" if kind else "semantic"

    @property
    def start(self) -> Path | None:
        """The exported graph to start from, or to follow."""
        folder = self.init or (release.SHIPPED if self.tune or self.distil else None)
        return folder / GRAPH if folder else None


def train_semantic(
    texts: Texts,
    sentences: Sentences,
    labels: Labels,
    runs: Runs = RUNS,
    minutes: Minutes = 35.0,
    steps: Steps = None,
    threads: Threads = 1,
    seed: Seed = 0,
    device: Device = "cpu",
    resume: Resume = False,
    learning_rate: Rate = 2e-3,
    licence: Licence = None,
    init: Init = None,
    tune: Tune = None,
    freeze: Freeze = None,
    distil: Distil = False,
    encoder: Encoder = None,
) -> None:
    """The semantic encoder: what a sentence means, phoneme by phoneme, and readings of ambiguous characters."""
    variant = _Variant(init, tune, freeze, distil, encoder)
    for path in (*texts, sentences, labels, *([tune] if tune else []), *([variant.start] if variant.start else [])):
        if not path.is_file():
            raise BadOption(f"{path}: no such file")
    out = runs / variant.name
    options = loop.Options(
        out,
        minutes,
        steps,
        learning_rate,
        threads=threads,
        seed=seed,
        device=device,
        resume=resume,
        warmup=WARMUP,
        save_minutes=SAVE_MINUTES,
        weights=WEIGHTS,
    )
    started = semantic.SemanticEncoder.open(variant.start) if variant.start else None
    pieces = started.subwords.pieces if started else _kept_pieces(out / PIECES) if resume else None
    data = semantic_stage.material([tune] if tune else texts, sentences, labels, pieces)
    out.mkdir(parents=True, exist_ok=True)
    (out / PIECES).write_text("\n".join(data.subwords.pieces), encoding="utf-8")
    average = _run(variant, data, options)
    finish(average, data, out)
    lines = {path.name: data.counts[path.name] for path in ([tune] if tune else texts)}
    release.record(options, variant.name, average.shape, {"lines": lines, "licences": sorted(licence or [])})


def _kept_pieces(path: Path) -> tuple[str, ...] | None:
    return tuple(path.read_text(encoding="utf-8").split("\n")) if path.exists() else None


def _run(variant: _Variant, data: Material, options: loop.Options) -> SemanticNet:
    """Train what is asked for; returns the averaged network."""
    shape = SemanticShape(len(data.subwords), len(data.readings.numbers))
    net = SemanticNet(replace(shape, **SMALL) if variant.distil else shape)
    batches = semantic_stage.batches(data, options.seed)
    check = semantic_stage.Check(data)
    if variant.start is None and not (options.resume and (options.out / "checkpoint.pt").exists()):
        net.encoder.embed.weight.data.copy_(semantic_stage.embedding(data, shape.embedding, seed=options.seed))
    if variant.distil:
        export.restore(net.encoder, variant.start)  # what has the same shape, the embedding above all
        losses = semantic_net.distilled(_restored(shape, variant.start))
        return loop.train(net, batches, losses, options, check)
    if variant.start:
        net = _restored(shape, variant.start)
        _freeze(net, variant.freeze or 0)
        if not options.resume:
            before = {"step": 0, "minutes": 0.0, **check(net.eval(), 0)}
            (options.out / "log.jsonl").write_text(json.dumps(before) + "\n", encoding="utf-8")
    if variant.encoder is None:
        return loop.train(net, batches, semantic_net.losses, options, check)
    teacher = foreign.ForeignEncoder(variant.encoder, options.threads)
    following = semantic_net.Following(net, teacher.width)
    losses = semantic_net.followed(partial(foreign.states_of, teacher, data.subwords))
    return loop.train(following, batches, losses, options, lambda both, step: check(both.net, step)).net


def _restored(shape: SemanticShape, path: Path) -> SemanticNet:
    """The exported encoder with the tasks that it was trained by."""
    net = SemanticNet(shape)
    missing = export.restore(net.encoder, path)
    if missing:
        raise BadOption(f"{path}: another shape than this version trains ({missing[0]})")
    export.restore_tasks(net, TASKS)
    return net


def _freeze(net: SemanticNet, layers: int) -> None:
    """Keep the embedding and so many layers from below as they are."""
    if layers > len(net.encoder.layers):
        raise BadOption(f"--freeze {layers}: the encoder has {len(net.encoder.layers)} layers")
    kept = [net.encoder.embed, net.encoder.enter, *net.encoder.layers[:layers]] if layers else []
    for part in kept:
        part.requires_grad_(False)


def finish(net: SemanticNet, data: Material, out: Path) -> None:
    """Bring the vectors to unit spread, export, and keep the tasks for a later tuning."""
    net.standardise(semantic_stage.vectors(net, data))
    export.export_semantic(net, out / GRAPH, "\n".join(data.subwords.pieces), data.readings.text())
    export.save_tasks(net, out / TASKS.name)


def make_vectors(
    encoder: Annotated[Path, typer.Option(help="The exported encoder.")] = release.SHIPPED / GRAPH,
    cache: Cache = CACHE,
) -> None:
    """Read every clip's text with the semantic encoder, once, for the stages that learn with its vectors."""
    torch.set_num_threads(1)
    made = vectors.make(Recordings(cache), semantic.SemanticEncoder.open(encoder), cache)
    typer.echo(f"{made} clips")
