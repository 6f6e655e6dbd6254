"""Networks to ONNX graphs, and back: an exported graph is also the checkpoint that training goes on from.

Parameters keep their names as initialisers. On disk they are 16-bit, or 8-bit where that cannot be heard.
"""

from __future__ import annotations

import dataclasses
import io
from dataclasses import asdict
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import onnx
import safetensors.numpy
import torch
from onnx import numpy_helper
from torch import Tensor, nn

from .. import aligner, audio
from . import acoustic_net
from .acoustic_net import LATENT_PARTS, AcousticNet, toned
from .aligner_net import AlignerNet
from .gate_net import GateNet
from .precision import shrink
from .prosody_net import ProsodyNet
from .reference_net import ReferenceNet
from .semantic_net import SemanticNet
from .upper_band import CLEAN_FLOOR, UpperBandNet, scaled_floor
from .vocoder_net import VocoderNet

OPSET = 18
Shape = TypeVar("Shape")


class _AcousticEncoder(nn.Module):
    """Phonemes, profile and adapter -> text, average mel, condition. Clean full-band recording is asked for."""

    def __init__(self, net: AcousticNet) -> None:
        super().__init__()
        self.conditioner, self.text, self.duration = net.conditioner, net.text, net.duration
        self.register_buffer("quality", torch.tensor([[1.0, 0.1]]), persistent=False)

    def forward(
        self,
        ids: Tensor,
        semantic: Tensor,
        timbre: Tensor,
        style: Tensor,
        sounds: Tensor,
        offset: Tensor,
        adapter: Tensor,
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        condition = self.conditioner(timbre, style, self.quality) + offset
        text, average = self.text(ids, semantic, sounds, condition, adapter=adapter)
        return text, average, self.duration(text), condition


class _ProsodyText(nn.Module):
    """Phonemes, profile and adapter -> text, nothing masked."""

    def __init__(self, net: ProsodyNet) -> None:
        super().__init__()
        self.inner = net.text

    def forward(
        self, ids: Tensor, semantic: Tensor, timbre: Tensor, style: Tensor, offset: Tensor, adapter: Tensor
    ) -> Tensor:
        return self.inner(ids, semantic, timbre, style, None, offset, adapter)


class _AcousticDecoder(nn.Module):
    """Text spread over frames, plan columns, adapter, noise and its strength -> scaled mel and voicing logit.

    Without noise it is the feed-forward path: prior and flow stay out of the graph.
    """

    def __init__(self, net: AcousticNet) -> None:
        super().__init__()
        self.net = net

    def forward(
        self,
        text: Tensor,
        owner: Tensor,
        plan: Tensor,
        condition: Tensor,
        adapter: Tensor,
        ranks: Tensor,
        tone: Tensor,
        noise: Tensor | None = None,
        strength: Tensor | None = None,
    ) -> tuple[Tensor, Tensor]:
        x = self.net.frames(text, owner, plan)
        latent = None
        if noise is not None and strength is not None:
            mean, deviation = self.net.prior_of(x)
            latent = strength * self.net.flow.inverse(mean + noise * torch.exp(deviation), condition)
        _, mel, voicing = self.net.decode(x, latent, condition, adapter=adapter, ranks=ranks)
        return toned(mel, tone), voicing


def _export(
    module: nn.Module, example: dict[str, Tensor], outputs: list[str], dynamic: dict[str, dict[int, str]]
) -> onnx.ModelProto:
    buffer = io.BytesIO()
    module = module.eval().float()
    torch.onnx.export(
        module,
        tuple(example.values()),
        buffer,
        input_names=list(example),
        output_names=outputs,
        dynamic_axes=dynamic,
        opset_version=OPSET,
        dynamo=False,
        do_constant_folding=False,
    )
    return onnx.load_from_string(buffer.getvalue())


def _write(model: onnx.ModelProto, path: Path, note: dict[str, Any], bits: int = 16) -> None:
    shrink(model, bits)
    for key, value in note.items():
        model.metadata_props.add(key=key, value=str(value))
    audio.write_bytes(path, model.SerializeToString())


def export_vocoder(net: VocoderNet, path: Path) -> None:
    example = {"features": torch.zeros(1, 50, net.shape.mel_bands + 2)}
    axes = {name: {1: "frames"} for name in ("features", "real", "imaginary", "noise")}
    _write(_export(net, example, ["real", "imaginary", "noise"], axes), path, asdict(net.shape))


def export_upper_band(net: UpperBandNet, path: Path) -> None:
    """Features -> levels; a clean recording is asked for."""

    class Clean(nn.Module):
        def __init__(self, inner: UpperBandNet) -> None:
            super().__init__()
            self.inner = inner

        def forward(self, features: Tensor) -> Tensor:
            return self.inner(features, torch.full_like(features[:, 0, :1], scaled_floor(CLEAN_FLOOR)))

    example = {"features": torch.zeros(1, 50, net.shape.mel_bands + 2)}
    axes = {name: {1: "frames"} for name in ("features", "levels")}
    _write(_export(Clean(net), example, ["levels"], axes), path, asdict(net.shape))


def export_reference(net: ReferenceNet, path: Path) -> None:
    class WithoutMask(nn.Module):
        def __init__(self, inner: ReferenceNet) -> None:
            super().__init__()
            self.inner = inner

        def forward(self, mel: Tensor) -> Tensor:
            return self.inner(mel, torch.ones_like(mel[:, :, :1]))

    example = {"mel": torch.zeros(1, 200, net.shape.mel_bands)}
    _write(_export(WithoutMask(net), example, ["timbre"], {"mel": {1: "frames"}}), path, asdict(net.shape))


def export_aligner(net: AlignerNet, path: Path) -> None:
    example = {"mel": torch.zeros(1, 200, net.shape.mel_bands)}
    axes = {name: {1: "frames"} for name in ("mel", "log_posteriors")}
    _write(_export(net, example, ["log_posteriors"], axes), path, asdict(net.shape), 8)


def export_gate(net: GateNet, path: Path) -> None:
    example = {"mel": torch.zeros(1, 200, net.shape.mel_bands)}
    axes = {"mel": {1: "frames"}, "units": {1: "units"}}
    _write(_export(net, example, ["units", "clip"], axes), path, asdict(net.shape))


def export_acoustic(net: AcousticNet, folder: Path, bits: int = 8, latent: bool = True) -> None:
    """Encoder and decoder; without `latent` the decoder is the feed-forward path alone."""
    shape = net.shape
    condition = torch.zeros(1, shape.condition)
    ids = {
        "ids": torch.ones(1, 12, dtype=torch.long),
        "semantic": torch.zeros(1, 12, shape.semantic),
        "timbre": torch.zeros(1, shape.timbre),
        "style": torch.zeros(1, shape.style),
        "sounds": torch.zeros(1, *aligner.SOUNDS),
        "offset": condition,
        "adapter": torch.zeros(1, shape.encoder_layers, 2 * shape.width),
    }
    axes = {name: {1: "phonemes"} for name in ("ids", "semantic", "text", "average", "log_durations")}
    outputs = ["text", "average", "log_durations", "condition"]
    _write(_export(_AcousticEncoder(net), ids, outputs, axes), folder / "acoustic_encoder.onnx", asdict(shape), bits)
    frames = {
        "text": torch.zeros(1, 12, shape.width),
        "owner": torch.zeros(1, 40, dtype=torch.long),
        "plan": torch.zeros(1, 40, 5 + shape.mel_bands),
        "condition": condition,
        "adapter": torch.zeros(1, shape.decoder_layers, 2 * shape.decoder_width),
        "ranks": torch.zeros(1, *acoustic_net.ranks(shape, 2)),
        "tone": torch.zeros(1, 2, shape.mel_bands),
    }
    if latent:
        frames |= {"noise": torch.zeros(1, 20, shape.latent), "strength": torch.ones(1)}
    axes = {name: {1: "frames"} for name in ("owner", "plan", "mel", "voicing")}
    axes |= {"text": {1: "phonemes"}, "noise": {1: "pairs"}, "ranks": {2: "rank"}}
    model = _export(_AcousticDecoder(net), frames, ["mel", "voicing"], axes)
    _write(model, folder / "acoustic_decoder.onnx", asdict(shape), bits)


def export_prosody(net: ProsodyNet, folder: Path) -> None:
    shape = net.shape
    text = {
        "ids": torch.ones(1, 12, dtype=torch.long),
        "semantic": torch.zeros(1, 12, shape.semantic),
        "timbre": torch.zeros(1, shape.timbre),
        "style": torch.zeros(1, shape.style),
        "offset": torch.zeros(1, shape.width),
        "adapter": torch.zeros(1, shape.text_layers, 2 * shape.width),
    }
    axes = {name: {1: "phonemes"} for name in ("ids", "semantic", "text")}
    _write(_export(_ProsodyText(net), text, ["text"], axes), folder / "prosody_text.onnx", asdict(shape), 8)
    steps = {
        "text": torch.zeros(1, 1, shape.width),
        "before": torch.zeros(1, 1, 3, dtype=torch.long),
        "cache": torch.zeros(shape.layers, 2, 1, shape.heads, 5, shape.width // shape.heads),
    }
    axes = {name: {1: "steps"} for name in ("text", "before", "hidden")} | {
        "cache": {4: "kept"},
        "longer": {4: "longer"},
    }
    _write(_export(net.steps, steps, ["hidden", "longer"], axes), folder / "prosody_steps.onnx", asdict(shape), 8)
    token = torch.zeros(1, 1, dtype=torch.long)
    heads = {"hidden": torch.zeros(1, 1, shape.width), "duration": token, "pitch": token}
    names = ["durations", "pitches", "energies"]
    axes = {name: {1: "steps"} for name in ("hidden", "duration", "pitch", *names)}
    _write(_export(net.heads, heads, names, axes), folder / "prosody_heads.onnx", asdict(shape), 8)


def shape_of(path: Path, kind: type[Shape]) -> Shape:
    """The shape that an exported graph's network has, from the notes in its file; defaults where they say nothing."""
    notes = {entry.key: entry.value for entry in onnx.load(str(path), load_external_data=False).metadata_props}
    fields = {field.name: type(field.default) for field in dataclasses.fields(kind)}
    return kind(**{name: kind_of(notes[name]) for name, kind_of in fields.items() if name in notes})


def restore_prosody(net: ProsodyNet, folder: Path) -> list[str]:
    """`restore` for the three graphs of the language model, whose names are their parts' own."""
    parts = {"prosody_text": net.text, "prosody_steps": net.steps, "prosody_heads": net.heads}
    return [name for stem, part in parts.items() for name in restore(part, folder / f"{stem}.onnx")]


def _with_short_names(model: onnx.ModelProto) -> onnx.ModelProto:
    """The graph with its inner names shortened: of a small network they would be a twentieth of the file."""
    fixed = {entry.name for part in (model.graph.input, model.graph.output, model.graph.initializer) for entry in part}
    short: dict[str, str] = {}
    for node in model.graph.node:
        node.name = ""
        for names in (node.input, node.output):
            for place, name in enumerate(names):
                if name and name not in fixed:
                    names[place] = short.setdefault(name, f"t{len(short)}")
    return model


def export_semantic(net: SemanticNet, path: Path, pieces: str, readings: str) -> None:
    """The encoder in 8 bits with its vocabulary and its readings, a line each, in the graph's metadata."""
    example = {"ids": torch.ones(1, 12, dtype=torch.long)}
    axes = {name: {1: "subwords"} for name in ("ids", "vectors", "readings")}
    model = _with_short_names(_export(net.encoder, example, ["vectors", "readings"], axes))
    _write(model, path, {**asdict(net.shape), "pieces": pieces, "reading_names": readings}, 8)


def restore(net: nn.Module, *paths: Path) -> list[str]:
    """Load parameters of exported graphs into a network by name; returns names that no graph had.

    Wrappers put a prefix before names; what follows it is looked up.
    """
    found: dict[str, np.ndarray] = {}
    for path in paths:
        stored = {tensor.name: numpy_helper.to_array(tensor) for tensor in onnx.load(str(path)).graph.initializer}
        for full_name, values in stored.items():
            scale = stored.get(f"{full_name}.scale")
            values = values.astype(np.float32) * (1.0 if scale is None else scale)
            for prefix in ("", "net.", "inner."):
                if full_name.startswith(prefix):
                    found[full_name.removeprefix(prefix)] = values
    missing = []
    state = net.state_dict()
    for name, value in state.items():
        if name in found and found[name].shape == tuple(value.shape):
            value.copy_(torch.from_numpy(found[name]))
        else:
            missing.append(name)
    return missing


LATENT = Path("runs/checkpoints/latent.safetensors")
"""What training needs and a feed-forward graph does not hold: posterior encoder, prior and flow, in 16 bits."""


def save_latent(net: AcousticNet, path: Path) -> None:
    state = net.state_dict()
    _save_state({name: value for name, value in state.items() if name.startswith(LATENT_PARTS)}, path)


def restore_latent(net: AcousticNet, path: Path) -> None:
    """Load what `save_latent` left; a missing file leaves the network's own start."""
    if path.exists():
        net.load_state_dict(_saved_state(path), strict=False)


CRITIC = Path("runs/checkpoints/critic.safetensors")
"""What the acoustic model was trained against, and no graph holds, in 16 bits: a new critic would know nothing yet."""


def save_critic(critic: nn.Module, path: Path) -> None:
    _save_state(dict(critic.state_dict()), path)


def restore_critic(critic: nn.Module, path: Path) -> None:
    """Load what `save_critic` left; a missing file leaves the critic's own start."""
    if path.exists():
        critic.load_state_dict(_saved_state(path))


def save_tasks(net: SemanticNet, path: Path) -> None:
    """What the semantic encoder is trained by, and no graph holds, in 16 bits."""
    state = {name: value for name, value in net.state_dict().items() if not name.startswith("encoder.")}
    _save_state(state, path)


def restore_tasks(net: SemanticNet, path: Path) -> None:
    """Load what `save_tasks` left; tasks of another shape, or a missing file, leave the network's own start."""
    if not path.exists():
        return
    own = net.state_dict()
    for name, value in _saved_state(path).items():
        if own[name].shape == value.shape:
            own[name].copy_(value)


def _save_state(state: dict[str, Tensor], path: Path) -> None:
    audio.write_bytes(path, safetensors.numpy.save({name: it.numpy().astype(np.float16) for name, it in state.items()}))


def _saved_state(path: Path) -> dict[str, Tensor]:
    stored = safetensors.numpy.load_file(path)
    return {name: torch.from_numpy(value.astype(np.float32)) for name, value in stored.items()}
