"""A folder of weights: its graphs, what `model.json` says of them, and the digests that tell one from another."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from . import text
from .errors import BrokenModel

GRAPHS = (
    "reference",
    "aligner",
    "semantic",
    "prosody_text",
    "prosody_steps",
    "prosody_heads",
    "acoustic_encoder",
    "acoustic_decoder",
    "vocoder",
    "upper_band",
)
SETTINGS = "model"
"""Stands beside the graphs' names for what `model.json` says of them."""
REMARKS = ("training", "licence", "digests")
"""Parts of `model.json` that decide no sound."""


def digests_of(graphs: Mapping[str, str], shape: Mapping[str, Any]) -> dict[str, str]:
    """Of all weights that decide a sound: the graphs' digests, and that of the settings in `model.json`."""
    settings = {name: value for name, value in shape.items() if name not in REMARKS}
    content = json.dumps(settings, sort_keys=True, separators=(",", ":")).encode()
    return {**graphs, SETTINGS: "sha256:" + hashlib.sha256(content).hexdigest()}


def with_digests(shape: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """The content of a `model.json`, with the digests of the graphs in a folder."""
    return {**shape, "digests": _digests_in(folder, shape)}


def strangers(digests: Mapping[str, str], shape: Mapping[str, Any]) -> list[str]:
    """Names of the weights that are not those which `model.json` was written for; none where it names no digests."""
    return [name for name, digest in shape.get("digests", {}).items() if digests.get(name) != digest]


def file_of(name: str) -> str:
    """The file that a name of `digests_of` stands for."""
    return "model.json" if name == SETTINGS else f"{name}.onnx"


def examine(folder: Path) -> tuple[dict[str, str], list[str]]:
    """Digests of the weights in a folder as they lie there, not loaded, and which of them are strangers to it.

    Raises BrokenModel where there is no `model.json`.
    """
    shape = model_shape(folder)
    digests = _digests_in(folder, shape)
    return digests, strangers(digests, shape)


def _digests_in(folder: Path, shape: Mapping[str, Any]) -> dict[str, str]:
    """`digests_of` the graphs that lie in a folder."""
    paths = {name: folder / file_of(name) for name in GRAPHS}
    return digests_of({name: digest_of_file(path) for name, path in paths.items() if path.is_file()}, shape)


def digest_of_file(path: Path) -> str:
    with path.open("rb") as file:
        return "sha256:" + hashlib.file_digest(file, "sha256").hexdigest()


def identity(shape: dict[str, Any]) -> str:
    """Which training the weights come from, whatever precision they are stored in: SHA-256 over `model.json`."""
    content = {name: value for name, value in shape.items() if name not in ("precision", "digests")}
    return "sha256:" + hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def model_shape(folder: Path) -> dict[str, Any]:
    """What `model.json` beside the graphs says. Raises BrokenModel where it is missing, damaged, of another version."""
    path = folder / "model.json"
    try:
        shape: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        table = shape["phoneme_table"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise BrokenModel(f"{path}: no model there, or a damaged one; reinstall resay") from error
    if table != text.phonemes.VERSION:
        raise BrokenModel(f"{path}: made for phoneme table {table}, this is {text.phonemes.VERSION}; update resay")
    return shape
