"""A Hugging Face encoder, exported to ONNX, whose states our semantic encoder can learn to tell.

A folder with `model.onnx` (or `onnx/model.onnx`) and `tokenizer.json`, as `optimum-cli export onnx` writes it. It is
needed for training only: what speaks is always the small encoder.

Letters in shapes: B batch, T subwords of ours, S subwords of the foreign encoder, H its width.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from tokenizers import Tokenizer
from torch import Tensor

from ..errors import BadFile
from ..onnx_graph import OnnxGraph
from ..semantic import INSIDE, SPECIAL, Subwords


class ForeignEncoder:
    """The encoder of a folder. Raises BadFile where the folder holds none."""

    def __init__(self, folder: Path, threads: int = 1) -> None:
        graphs = [path for path in (folder / "model.onnx", folder / "onnx" / "model.onnx") if path.is_file()]
        if not graphs or not (folder / "tokenizer.json").is_file():
            raise BadFile(f"{folder}: no encoder there; it needs model.onnx and tokenizer.json")
        self._graph = OnnxGraph(graphs[0], threads)
        self._tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        self._tokenizer.no_truncation()
        self.width = self.states("一 a")[0].shape[1]

    def states(self, text: str) -> tuple[np.ndarray, list[tuple[int, int]]]:
        """Fused states of a text, float32 (S, H), and the characters each subword stands for.

        Every output with a state for each subword is a layer; each is normalised, and they are averaged.
        """
        encoded = self._tokenizer.encode(text)
        given = {"input_ids": encoded.ids, "attention_mask": encoded.attention_mask, "token_type_ids": encoded.type_ids}
        inputs = {name: np.array([given[name]], dtype=np.int64) for name in self._graph.inputs if name in given}
        layers = [
            output[0]
            for output in self._graph.run(**inputs).values()
            if output.ndim == 3 and output.shape[1] == len(encoded.ids)
        ]
        if not layers:
            raise BadFile("the encoder gives no states; export it as a feature extractor")
        normal = [(it - it.mean(axis=1, keepdims=True)) / (it.std(axis=1, keepdims=True) + 1e-5) for it in layers]
        return np.mean(normal, axis=0).astype(np.float32), list(encoded.offsets)


def written(ids: list[int], subwords: Subwords) -> tuple[str, list[tuple[int, int]]]:
    """Our subwords as text again, and the characters of each one's whole word; an empty range for special ones."""
    words: list[list[str]] = []
    for number in ids:
        piece = subwords.pieces[number]
        if piece.startswith(INSIDE) and words:
            words[-1].append(piece.removeprefix(INSIDE))
        else:
            words.append([piece])
    text, places = "", []
    for word in words:
        said = "".join(word) if word[0] not in SPECIAL or len(word[0]) == 1 else ""
        text += " " if text and said.isascii() else ""
        places += [(len(text), len(text) + len(said))] * len(word)
        text += said
    return text, places


def states_of(encoder: ForeignEncoder, subwords: Subwords, batch: dict[str, Tensor]) -> tuple[Tensor, Tensor]:
    """Of a batch, the foreign states (B, T, H) of our subwords, and where there are any (B, T).

    A subword's is the mean over all foreign subwords of its word: neither splitting moves the other.
    """
    ids = batch["whole"]
    states = torch.zeros(*ids.shape, encoder.width)
    known = torch.zeros(ids.shape, dtype=torch.bool)
    for row, length in enumerate(batch["lengths"].tolist()):
        text, places = written(ids[row, :length].tolist(), subwords)
        found, spans = encoder.states(text)
        for place, (start, end) in enumerate(places):
            own = [index for index, (first, last) in enumerate(spans) if first < end and last > start]
            if own:
                states[row, place] = torch.from_numpy(found[own].mean(axis=0))
                known[row, place] = True
    return states, known
