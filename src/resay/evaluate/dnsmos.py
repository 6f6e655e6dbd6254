"""DNSMOS P.835 as a judge of sound: signal, background and overall quality from 1 to 5, without a reference.

Reddy, Gopal and Cutler 2022, "DNSMOS P.835: A non-intrusive perceptual objective speech quality metric to evaluate
noise suppressors" (weights MIT); windows, hops and polynomials as in the authors' own `dnsmos_local.py`.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ..audio import Audio
from ..errors import BadAudio, BrokenModel
from ..onnx_graph import OnnxGraph

SAMPLE_RATE = 16_000
WINDOW = int(9.01 * SAMPLE_RATE)  # samples that the network looks at
# Raw network output -> scale of the listening tests, highest power first (published for the general model).
POLYNOMIALS = {
    "signal": (-0.08397278, 1.22083953, 0.0052439),
    "background": (-0.13166888, 1.60915514, -0.39604546),
    "overall": (-0.06766283, 1.11546468, 0.04602535),
}


def windows(samples: np.ndarray) -> np.ndarray:
    """Windows of 9.01 s, one a second, (S,) -> (W, 144160). Shorter sound is doubled until it fills one."""
    while len(samples) < WINDOW:
        samples = np.concatenate([samples, samples])
    # The last second of the authors' rule is dropped when it does not fill a window.
    count = int(len(samples) // SAMPLE_RATE - WINDOW / SAMPLE_RATE) + 1
    starts = [place * SAMPLE_RATE for place in range(count) if place * SAMPLE_RATE + WINDOW <= len(samples)]
    return np.stack([samples[start : start + WINDOW] for start in starts]).astype(np.float32)


def scores(raw: np.ndarray) -> dict[str, float]:
    """Mean scores on the listening scale from raw outputs (W, 3) in the order signal, background, overall."""
    columns = zip(POLYNOMIALS.items(), raw.astype(np.float64).T, strict=True)
    return {name: float(np.polyval(powers, values).mean()) for (name, powers), values in columns}


class Dnsmos:
    """The general model, from a folder with `sig_bak_ovr.onnx`."""

    name = "DNSMOS P.835"

    def __init__(self, folder: Path, threads: int = 1) -> None:
        """Raises BrokenModel where the file is missing."""
        # The wheel that carries it has a second, personalised model of the same name.
        found = sorted(path for path in folder.rglob("sig_bak_ovr.onnx") if "pdnsmos" not in str(path))
        if not found:
            raise BrokenModel(f"{folder}: no sig_bak_ovr.onnx; fetch it with `resay evaluate judges --into DIR`")
        self._graph = OnnxGraph(found[0], threads)

    def score(self, audio: Audio) -> dict[str, float]:
        """`signal`, `background` and `overall`, 1 (bad) to 5 (excellent). Raises BadAudio for no sound at all."""
        samples = np.clip(audio.resampled(SAMPLE_RATE).samples, -1.0, 1.0)
        if len(samples) == 0:
            raise BadAudio("no samples to judge")
        outputs = [self._graph.run(**{self._graph.inputs[0]: window[None]}) for window in windows(samples)]
        return scores(np.concatenate([output[self._graph.outputs[0]] for output in outputs]))
