"""What tuning adds to a voice: small arrays that the graphs of the one set of weights take as inputs.

Every block of the steered graphs takes scale and shift from the speaker's condition; a tuned voice moves them, and adds
a change of low rank to the matrices of the mel decoder. That costs a few thousandths of a block's work for each rank,
so a tuned voice speaks as quickly as any other, and all voices share the weights.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from .errors import BadFile
from .onnx_graph import OnnxGraph

INPUTS = ("offset", "adapter", "ranks", "tone")
"""Inputs of a graph that belong to the voice: added to the condition (1, D); added to scale and shift of each block
(1, layers, 2 C); rows that read and write beside the matrices of each block (1, layers, R, 8 C); relative gain and
shift of each mel band (1, 2, M). Zeros change nothing."""


Shape = tuple[int | str | None, ...]
"""Of an input; a name or nothing stands for a size that differs from run to run."""


@dataclass(frozen=True, eq=False)
class Adapter:
    """A voice's own arrays, float32, by the name of their graph and input: `acoustic_encoder.offset` (D,)."""

    model: str
    """Identity of the weights it was tuned for: it means nothing to others."""
    arrays: Mapping[str, np.ndarray]


def inputs(graph: OnnxGraph, name: str, adapter: Adapter | None) -> dict[str, np.ndarray]:
    """What the graph called `name` is fed for a voice, one row each: the adapter's arrays, zeros where it has none.

    Raises BadFile where the adapter does not fit the graph.
    """
    own = {} if adapter is None else {key: adapter.arrays.get(f"{name}.{key}") for key in INPUTS}
    fed = {}
    for key in INPUTS:
        shape, array = graph.shapes.get(key), own.get(key)
        if array is not None and not _fits((1, *array.shape), shape):
            raise BadFile("the voice was tuned for other weights; tune it again with `resay tune`")
        if shape is not None:
            fed[key] = np.zeros(_smallest(shape), dtype=np.float32) if array is None else array[None]
    return fed


def _smallest(shape: Shape) -> tuple[int, ...]:
    return tuple(size if isinstance(size, int) else 1 for size in shape)


def _fits(own: tuple[int, ...], shape: Shape | None) -> bool:
    """Whether an array has the shape of an input, whose dimensions without a number may be of any size."""
    if shape is None or len(own) != len(shape):
        return False
    return all(a == b for a, b in zip(own, shape, strict=True) if isinstance(b, int))
