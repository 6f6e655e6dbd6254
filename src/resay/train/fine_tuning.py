"""Tuning to one voice: the weights stay as they are, and a small adapter learns what the speaker does with them.

The adapter moves the condition and every block's scale and shift (`resay.adapter`); scaling and shifting features is
how FiLM (Perez et al. 2018) and (IA)³ (Liu et al. 2022) fit large networks with few examples. The matrices of the mel
decoder change by a product of low rank (LoRA, Hu et al. 2022): most of the likeness comes from that. Everything is a
function of (recordings, options): one thread, chance drawn anew for every step from the seed, so that a killed run goes
on to the same adapter.

Letters in shapes: B batch, T frames, P phonemes, M mel bands, D condition.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import safetensors.torch
import torch
from torch import Tensor, nn

from .. import audio
from ..errors import BadRequest
from ..synthesis import Engine
from . import acoustic_net, export, prosody_net
from .acoustic_net import AcousticNet, AcousticShape
from .aligner_net import AlignerNet, AlignerShape
from .layers import rank_parts
from .loop import Batch, Losses
from .own_recordings import Own, OwnCollator
from .prosody_net import ProsodyNet, ProsodyShape
from .reference_net import ReferenceNet, ReferenceShape
from .teaching import unclear

SAVED_EVERY = 10  # steps
KEPT_BACK = 10  # one sentence in so many is not tuned on
Told = Callable[[str, int, int, float], None]
"""Told of every step: the model, the step, of how many, the loss."""
RANKS = "acoustic_decoder.ranks"
PARTS = ("encoder", "decoder", "prosody")
"""What `--layers` chooses from: steered blocks by the graph they are in."""


@dataclass(frozen=True)
class Options:
    """How to tune. The defaults of both profiles need none of it said."""

    epochs: int = 40
    """Times that every recording is heard."""
    learning_rate: float = 2e-3
    dropout: float = 0.1
    """Share of the scales and shifts left out in a step: no single one may carry the rhythm or the voice."""
    duration_weight: float = 1.0
    """Of durations among the three tokens of prosody."""
    likeness_weight: float = 0.0
    """Of what the reference encoder hears, against the distance of mels. It hears envelopes and channels above all, so
    the mels alone decide unless it is asked."""
    clarity_weight: float = 0.3
    """Of whether the aligner hears the sounds planned, against the distance of mels: a voice that comes closer and
    swallows words is no better."""
    prosody_rate: float = 0.25
    """Of the learning rate, for the language model: a minute holds few examples of a rhythm."""
    layers: tuple[str, ...] = PARTS
    rank: int = 8
    """Of the change of the mel decoder's matrices; 0 leaves them as they are."""
    strength: float = 0.5
    """Share of what was learnt that the voice keeps. A minute teaches how a speaker sounds, and what was said as well;
    half of it keeps most of the likeness, and words stay clearer."""
    prosody_strength: float = 0.2
    """The same of the language model. What hurries or slurs costs words soonest, and likeness owes rhythm little."""
    frames: int = 1600
    """Padded mel frames in a batch."""
    seed: int = 42


PROFILES = {"quick": Options(epochs=40), "quality": Options(epochs=120, learning_rate=1e-3, rank=16)}


class _Parts(nn.Module):
    """Named trainable arrays, zero at first, with dropout over the entries of all but the ranks while training."""

    def __init__(self, shapes: dict[str, tuple[int, ...]], dropout: float) -> None:
        super().__init__()
        self.arrays = {name: nn.Parameter(torch.zeros(1, *shape)) for name, shape in shapes.items()}
        self.listed = nn.ParameterList(self.arrays.values())  # a module's own names hold no dots
        self.dropout = nn.Dropout(dropout)

    def __getitem__(self, name: str) -> Tensor:
        return self.arrays[name] if name == RANKS else self.dropout(self.arrays[name])


def _begin(ranks: Tensor, width: int, seed: int) -> None:
    """Rows that read begin at random, rows that write at nothing: the first step changes no sound."""
    random = torch.Generator().manual_seed(seed)
    into, _, back, _ = ranks.split(rank_parts(width, acoustic_net.EXPANSION * width), dim=-1)
    for part in (into, back):
        part.copy_(torch.randn(part.shape, generator=random) * part.shape[-1] ** -0.5)


def weakened(arrays: dict[str, np.ndarray], width: int, options: Options) -> dict[str, np.ndarray]:
    """The adapter's arrays at the options' strengths; of the ranks of a decoder of `width` the rows that write."""
    parts = rank_parts(width, acoustic_net.EXPANSION * width)
    written = np.array([1.0, options.strength, 1.0, options.strength], dtype=np.float32)
    shares = {RANKS: np.repeat(written, parts)}
    of_model = {"acoustic": options.strength, "prosody": options.prosody_strength}
    return {
        name: array * shares.get(name, np.float32(of_model[name.partition("_")[0]])) for name, array in arrays.items()
    }


class TunedAcoustic(nn.Module):
    """The acoustic model with a voice's adapter in every place where its losses call it."""

    def __init__(self, net: AcousticNet, options: Options) -> None:
        super().__init__()
        shape = net.shape
        shapes = {
            "acoustic_encoder.offset": (shape.condition,),
            "acoustic_encoder.adapter": (shape.encoder_layers, 2 * shape.width),
            "acoustic_decoder.adapter": (shape.decoder_layers, 2 * shape.decoder_width),
            "acoustic_decoder.tone": (2, shape.mel_bands),
        }
        if "decoder" in options.layers and options.rank:
            shapes[RANKS] = acoustic_net.ranks(shape, options.rank)
        self.own = _Parts(shapes, options.dropout)
        if RANKS in shapes:
            _begin(self.own.arrays[RANKS].data, shape.decoder_width, options.seed)
        for name, part in (("encoder", "acoustic_encoder.adapter"), ("decoder", "acoustic_decoder.adapter")):
            self.own.arrays[part].requires_grad = name in options.layers
        self.net = net.eval().requires_grad_(False)
        self.duration, self.frames = net.duration, net.frames

    def conditioner(self, timbre: Tensor, style: Tensor, quality: Tensor) -> Tensor:
        return self.net.conditioner(timbre, style, quality) + self.own["acoustic_encoder.offset"]

    def text(self, *inputs: Tensor) -> tuple[Tensor, Tensor]:
        return self.net.text(*inputs, adapter=self.own["acoustic_encoder.adapter"])

    def decode(self, *inputs: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        ranks = self.own[RANKS] if RANKS in self.own.arrays else None
        coarse, fine, voicing = self.net.decode(*inputs, adapter=self.own["acoustic_decoder.adapter"], ranks=ranks)
        self.said = acoustic_net.toned(fine, self.own["acoustic_decoder.tone"])
        return acoustic_net.toned(coarse, self.own["acoustic_decoder.tone"]), self.said, voicing


class TunedProsody(nn.Module):
    """The language model with a voice's adapter."""

    def __init__(self, net: ProsodyNet, options: Options) -> None:
        super().__init__()
        shape = net.shape
        self.own = _Parts(
            {"prosody_text.offset": (shape.width,), "prosody_text.adapter": (shape.text_layers, 2 * shape.width)},
            options.dropout,
        )
        if "prosody" not in options.layers:
            self.own.requires_grad_(False)
        self.net = net.eval().requires_grad_(False)
        self.steps, self.heads, self.empty_cache = net.steps, net.heads, net.empty_cache

    def text(self, *inputs: Tensor) -> Tensor:
        return self.net.text(*inputs, offset=self.own["prosody_text.offset"], adapter=self.own["prosody_text.adapter"])


def acoustic_losses(
    net: TunedAcoustic, batch: Batch, encoder: ReferenceNet, aligner: AlignerNet, options: Options
) -> Losses:
    """Those of the acoustic model, how unclear its words are, and how unlike the speaker the encoder finds it."""
    found = acoustic_net.losses(net, batch)
    if options.clarity_weight:
        found["unclear"] = unclear(aligner, net.said, batch)
    if options.likeness_weight:
        timbre = encoder(net.said, batch["mask"])
        found["unlikeness"] = (1 - (timbre * batch["timbre"]).sum(dim=-1)).mean()
    weights = {"mel": 1.0, "coarse": 0.5, "average": 0.3, "voicing": 0.1}
    weights |= {"unlikeness": options.likeness_weight, "unclear": options.clarity_weight}
    return {name: weights[name] * value for name, value in found.items() if name in weights}


def prosody_losses(net: TunedProsody, batch: Batch, options: Options) -> Losses:
    """Those of the language model, durations weighed."""
    found = prosody_net.losses(net, batch)
    return found | {"duration": options.duration_weight * found["duration"]}


@dataclass(eq=False)
class Run:
    """One adapter on its way: its best state so far by the recordings kept back, and what a killed run goes on from."""

    net: nn.Module
    losses_of: Callable[[Batch], Losses]
    steps: int
    options: Options
    state: Path
    """File that the run is kept in until the voice is saved."""
    best: dict[str, Tensor] = field(default_factory=dict)
    best_loss: float = math.inf
    step: int = 0

    def __post_init__(self) -> None:
        self.trained = {name: array for name, array in self.net.own.arrays.items() if array.requires_grad}
        self.optimizer = torch.optim.Adam(list(self.trained.values()), betas=(0.9, 0.98))
        self.best = self._copy()
        if self.state.exists():
            self._load()

    def _copy(self) -> dict[str, Tensor]:
        return {name: array.detach().clone() for name, array in self.net.own.arrays.items()}

    def _load(self) -> None:
        with safetensors.safe_open(str(self.state), framework="pt") as file:
            content = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - no mapping
        self.step, self.best_loss = int(content["step"]), float(content["best_loss"])
        for name, array in self.net.own.arrays.items():
            array.data.copy_(content[f"now.{name}"])
            self.best[name] = content[f"best.{name}"]
        for name, array in self.trained.items() if self.step else ():
            moments = {part: content[f"{part}.{name}"] for part in ("exp_avg", "exp_avg_sq")}
            self.optimizer.state[array] = {"step": torch.tensor(float(self.step)), **moments}

    def save(self) -> None:
        """Keep the run, whole or not at all."""
        content = {"step": torch.tensor(self.step), "best_loss": torch.tensor(self.best_loss, dtype=torch.float64)}
        for name, array in self._copy().items():
            content |= {f"now.{name}": array, f"best.{name}": self.best[name].clone()}
        for name, array in self.trained.items() if self.step else ():
            moments = self.optimizer.state[array]
            content |= {f"{part}.{name}": moments[part].clone() for part in ("exp_avg", "exp_avg_sq")}
        audio.write_bytes(self.state, safetensors.torch.save(content))

    def check(self, kept_back: Batch) -> float:
        """Sum of the losses on the recordings kept back; the adapter with the lowest is the one that is kept."""
        self.net.eval()
        with torch.no_grad():
            loss = float(sum(self.losses_of(kept_back).values()))
        if loss < self.best_loss:
            self.best, self.best_loss = self._copy(), loss
        return loss

    def take(self, batch: Batch) -> float:
        """One step downhill; returns the loss before it."""
        torch.manual_seed(self.options.seed * 1_000_003 + self.step)
        self.net.train()
        rise = min(1.0, (self.step + 1) / 10)
        fall = 0.5 * (1 + math.cos(math.pi * self.step / self.steps))
        for group in self.optimizer.param_groups:
            group["lr"] = self.options.learning_rate * rise * fall
        loss = sum(self.losses_of(batch).values())
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(list(self.trained.values()), 1.0)
        self.optimizer.step()
        self.step += 1
        return float(loss.detach())


def order(rows: int, epoch: int, seed: int) -> np.ndarray:
    """The order in which an epoch hears the recordings; of no other epoch's making."""
    return np.random.Generator(np.random.Philox(key=np.array([seed, epoch], dtype=np.uint64))).permutation(rows)


def groups(lengths: list[int], epoch: int, options: Options) -> Iterator[list[int]]:
    """An epoch's batches: recordings in its order, as many at once as the budget of padded frames allows."""
    group: list[int] = []
    for row in order(len(lengths), epoch, options.seed).tolist():
        longest = max(lengths[other] for other in [*group, row])
        if group and longest * (len(group) + 1) > options.frames:
            yield group
            group = []
        group.append(row)
    yield group


def tune(
    run: Run,
    batch_of: Callable[[list[int], np.random.Generator], Batch],
    lengths: list[int],
    kept_back: Batch,
    step_done: Callable[[int, float], None],
) -> dict[str, np.ndarray]:
    """All epochs; the adapter's arrays that did best on the recordings kept back, without their row of one.

    `batch_of` makes a batch of recordings by number; `step_done` is told of each step and its loss.
    """
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    at = 0
    for epoch in range(run.options.epochs):
        for group in groups(lengths, epoch, run.options):
            at += 1
            if at <= run.step:
                continue
            random = np.random.Generator(np.random.Philox(key=np.array([run.options.seed, at << 20], dtype=np.uint64)))
            loss = run.take(batch_of(group, random))
            step_done(at, loss)
            if at % SAVED_EVERY == 0:
                run.check(kept_back)
                run.save()
    run.check(kept_back)
    return {name: array[0].numpy() for name, array in run.best.items()}


def kept_back(own: Own) -> tuple[list[int], list[int]]:
    """Sentences to tune on, and the tenth that is only listened to: spread over the recordings, one at least."""
    count = len(own.examples)
    back = list(range(KEPT_BACK // 2, count, KEPT_BACK)) or [count - 1]
    rest = [row for row in range(count) if row not in back]
    if not rest:
        raise BadRequest("the recordings hold one sentence only; tuning needs several")
    return rest, back


def _of_stage(options: Options, stage: str) -> Options:
    slower = options.prosody_rate if stage == "prosody" else 1.0
    return replace(options, learning_rate=slower * options.learning_rate)


def adapt(own: Own, models: Path, engine: Engine, options: Options, state: Path, told: Told) -> dict[str, np.ndarray]:
    """The adapter's arrays for recordings, from the weights in `models`. `state` is where a killed run goes on from."""
    if not engine.takes_adapters:
        raise BadRequest(f"{models}: no voice can be tuned on these weights; update resay or export them again")
    torch.use_deterministic_algorithms(True)
    names = ("acoustic_encoder", "acoustic_decoder", "reference", "prosody_text", "aligner")
    parts = [models / f"{name}.onnx" for name in names]
    acoustic = AcousticNet(export.shape_of(parts[0], AcousticShape))
    encoder = ReferenceNet(export.shape_of(parts[2], ReferenceShape))
    prosody = ProsodyNet(export.shape_of(parts[3], ProsodyShape))
    aligner = AlignerNet(export.shape_of(parts[4], AlignerShape))
    missing = export.restore(acoustic, *parts[:2])
    missing += export.restore(encoder, parts[2]) + export.restore(aligner, parts[4])
    missing += export.restore_prosody(prosody, models)
    if any(not name.startswith(acoustic_net.LATENT_PARTS) for name in missing):
        raise BadRequest(f"{models}: these weights are of another kind of network; use the resay that made them")
    for hears in (encoder, aligner):
        hears.eval().requires_grad_(False)
    collator = OwnCollator(own, engine.codes)
    if not engine.takes_ranks:
        options = replace(options, rank=0)
    sounding, speaking = TunedAcoustic(acoustic, options), TunedProsody(prosody, options)
    rest, back = kept_back(own)
    lengths = [own.examples[row].clip.frames for row in rest]
    steps = sum(1 for epoch in range(options.epochs) for _ in groups(lengths, epoch, options))
    native = torch.from_numpy(engine.planning_timbre(own.language, own.profile))

    def planned(batch: Batch) -> Tensor:
        """As in speaking, the language model hears the native voice that is most like the speaker."""
        return native.expand_as(batch["timbre"])

    runs = {
        "acoustic": (sounding, lambda batch: acoustic_losses(sounding, batch, encoder, aligner, options)),
        "prosody": (speaking, lambda batch: prosody_losses(speaking, batch | {"timbre": planned(batch)}, options)),
    }
    checked = collator.batch([own.examples[row] for row in back], np.random.Generator(np.random.Philox(0)))
    arrays: dict[str, np.ndarray] = {}
    for stage, (net, losses_of) in runs.items():
        if not any(array.requires_grad for array in net.own.arrays.values()):
            continue  # `layers` leaves this model as it is
        arrays |= tune(
            Run(net, losses_of, steps, _of_stage(options, stage), state / f"{stage}.safetensors"),
            lambda group, random: collator.batch([own.examples[rest[row]] for row in group], random),
            lengths,
            checked,
            lambda step, loss, stage=stage: told(stage, step, steps, loss),
        )
    return weakened(arrays, acoustic.shape.decoder_width, options)
