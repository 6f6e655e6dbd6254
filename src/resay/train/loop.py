"""The one training loop. Every stage brings a network, a stream of batches and a function from batch to losses."""

from __future__ import annotations

import copy
import json
import math
import statistics
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
from torch import Tensor, nn

Batch = dict[str, Tensor]
Losses = dict[str, Tensor]
MEMORY = ((0.9, 0.98), (0.0, 0.99))
"""Of the optimizer for gradients and their squares: the network's, and its opponent's. An opponent with momentum still
runs where the network was, and the two chase each other in circles (Gidel et al. 2019)."""


@dataclass(frozen=True)
class Options:
    """How to train, whatever the network."""

    out: Path
    """Folder for the checkpoint, the log and the samples."""
    minutes: float = 10.0
    """Wall-clock budget; the learning rate falls to zero at its end."""
    steps: int | None = None
    """Step budget instead of a time budget: the run is then the same on every machine of one kind."""
    learning_rate: float = 1e-3
    warmup: int = 200
    """Steps over which the learning rate rises."""
    threads: int = 1
    seed: int = 0
    device: str = "cpu"
    resume: bool = False
    """Go on from the checkpoint in `out`."""
    save_minutes: float = 5.0
    weights: dict[str, float] = field(default_factory=dict)
    """Factor of each loss in the sum; 1 where not named."""
    decay: float = 0.999
    """Of the moving average of the weights, which is what gets exported."""


@dataclass
class State:
    """What a run needs to go on: weights, their moving average, optimizer, and how much of the budget is used."""

    net: nn.Module
    average: nn.Module
    optimizer: torch.optim.Optimizer
    step: int = 0
    seconds: float = 0.0

    def save(self, path: Path) -> None:
        content = {
            "net": self.net.state_dict(),
            "average": self.average.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "step": self.step,
            "seconds": self.seconds,
        }
        temporary = path.with_suffix(".part")
        torch.save(content, temporary)
        temporary.replace(path)

    def load(self, path: Path) -> None:
        content = torch.load(path, map_location="cpu", weights_only=True)
        self.net.load_state_dict(content["net"])
        self.average.load_state_dict(content["average"])
        self.optimizer.load_state_dict(content["optimizer"])
        self.step, self.seconds = content["step"], content["seconds"]


def _rate(options: Options, state: State, begun: float) -> tuple[float, float]:
    """Learning rate now, and the share of the budget that is used: a short rise, then half a cosine down to zero."""
    if options.steps is not None:
        used = state.step / options.steps
    else:
        used = (state.seconds + time.monotonic() - begun) / (60 * options.minutes)
    rise = min(1.0, (state.step + 1) / options.warmup)
    return options.learning_rate * rise * 0.5 * (1 + math.cos(math.pi * min(1.0, used))), used


def mixed_precision(device: str) -> torch.autocast:
    """Matrix products in bfloat16 where the device has them; a processor without would take a hundred times as long."""
    has = device != "cpu" or (torch.backends.mkldnn.is_available() and torch.ops.mkldnn._is_mkldnn_bf16_supported())
    return torch.autocast(device, torch.bfloat16, enabled=has)


def _move(batch: Batch, device: str) -> Batch:
    return {name: value.to(device) for name, value in batch.items()}


def _average(state: State, decay: float) -> None:
    # Early on the average follows quickly, else it would carry the random start for a thousand steps.
    decay = min(decay, (1 + state.step) / (10 + state.step))
    with torch.no_grad():
        for kept, new in zip(state.average.parameters(), state.net.parameters(), strict=True):
            kept.lerp_(new, 1 - decay)
        for kept, new in zip(state.average.buffers(), state.net.buffers(), strict=True):
            kept.copy_(new)


def _sides(net: nn.Module, opponent: nn.Module | None) -> list[list[nn.Parameter]]:
    """Parameters that are trained: those of the network, and apart from them those of its opponent."""
    against = {id(parameter) for parameter in opponent.parameters()} if opponent else set()
    trained = [parameter for parameter in net.parameters() if parameter.requires_grad]
    sides = ([one for one in trained if (id(one) in against) == side] for side in (False, True))
    return [side for side in sides if side]


def _step(state: State, losses: Losses, weights: dict[str, float], sides: list[list[nn.Parameter]]) -> Losses:
    """One step downhill on the weighted sum; each side's gradient before it was clipped."""
    total = sum(weights.get(name, 1.0) * value for name, value in losses.items())
    state.optimizer.zero_grad(set_to_none=True)
    total.backward()  # type: ignore[union-attr]
    norms = [nn.utils.clip_grad_norm_(side, 1.0) for side in sides]
    if all(map(torch.isfinite, norms)):
        state.optimizer.step()
    state.step += 1
    return dict(zip(("gradient", "opponent"), norms, strict=False))


def train(
    net: nn.Module,
    batches: Iterator[Batch],
    losses_of: Callable[[nn.Module, Batch], Losses],
    options: Options,
    check: Callable[[nn.Module, int], dict[str, float]] | None = None,
    opponent: nn.Module | None = None,
) -> nn.Module:
    """Train until the budget is used; returns the averaged network.

    `losses_of` gives named losses, whose weighted sum is followed downhill. `check` is called with the averaged network
    at every save; its figures go into `log.jsonl` beside the losses. The gradients of an `opponent`, a part of the
    network that works against the rest, are clipped apart: neither shall slow the other down.
    """
    options.out.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(options.threads)
    torch.manual_seed(options.seed)
    net = net.to(options.device).train()
    sides = _sides(net, opponent)
    groups = [{"params": side, "betas": betas} for side, betas in zip(sides, MEMORY, strict=False)]
    optimizer = torch.optim.AdamW(groups, lr=options.learning_rate, weight_decay=0.01)
    state = State(net, copy.deepcopy(net).eval().requires_grad_(False), optimizer)
    checkpoint = options.out / "checkpoint.pt"
    if options.resume and checkpoint.exists():
        state.load(checkpoint)
    begun, saved = time.monotonic(), time.monotonic()
    seen: dict[str, list[float]] = {}
    columns = (TextColumn("{task.description}"), BarColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True)) as bar, (options.out / "log.jsonl").open("a") as log:
        task = bar.add_task(options.out.name, total=1.0)
        while True:
            rate, used = _rate(options, state, begun)
            now = time.monotonic()
            if now - saved > 60 * options.save_minutes or used >= 1.0:
                figures = {name: round(statistics.fmean(values), 4) for name, values in seen.items()}
                line: dict[str, Any] = {"step": state.step, "minutes": round((state.seconds + now - begun) / 60, 1)}
                line |= figures | (check(state.average, state.step) if check else {})
                log.write(json.dumps(line) + "\n")
                log.flush()
                State(net, state.average, optimizer, state.step, state.seconds + now - begun).save(checkpoint)
                saved, seen = time.monotonic(), {}
            if used >= 1.0:
                return state.average
            for group in optimizer.param_groups:
                group["lr"] = rate
            batch = _move(next(batches), options.device)
            with mixed_precision(options.device):
                losses = losses_of(net, batch)
            losses |= _step(state, losses, options.weights, sides)
            _average(state, options.decay)
            for name, value in losses.items():
                seen.setdefault(name, []).append(float(value.detach()))
            shown = "  ".join(f"{name} {values[-1]:.3f}" for name, values in seen.items())
            bar.update(task, completed=used, description=f"{options.out.name}  step {state.step}  {shown}")


def describe(options: Options) -> dict[str, Any]:
    """The options as the training manifest records them."""
    return asdict(options) | {"out": options.out.name}


def load_average(net: nn.Module, folder: Path, prefix: str = "") -> nn.Module:
    """Load the averaged weights of the checkpoint in a folder: those of a part, where names begin with `prefix`."""
    state = torch.load(folder / "checkpoint.pt", map_location="cpu", weights_only=True)["average"]
    net.load_state_dict({name.removeprefix(prefix): value for name, value in state.items() if name.startswith(prefix)})
    return net.eval()
