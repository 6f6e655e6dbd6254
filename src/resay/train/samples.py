"""What a network makes of held-out speech while it trains, to look at and to hear.

Letters: T frames, M mel bands.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np

from .. import audio
from ..onnx_graph import OnnxGraph
from ..synthesis import standard_normal
from ..vocoder import Vocoder


def picture(path: Path, mels: dict[str, np.ndarray]) -> None:
    """Named log mels (T, M) one above the other, low bands at the bottom, as PNG."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(len(mels), 1, figsize=(10, 2.4 * len(mels)), squeeze=False)
    for axis, (name, mel) in zip(axes[:, 0], mels.items(), strict=True):
        seconds = audio.FORMAT.seconds(len(mel))
        axis.imshow(mel.T, origin="lower", aspect="auto", extent=(0, seconds, 0, mel.shape[1]), vmin=-10, vmax=0)
        axis.set_title(name, fontsize=9)
        axis.set_ylabel("mel band")
    axes[-1, 0].set_xlabel("seconds")
    figure.tight_layout()
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=80)
    pyplot.close(figure)


def sound(path: Path, mel: np.ndarray, pitch: np.ndarray, vocoder: Path) -> None:
    """Log mels (T, M) with pitch (T,) in Hz, 0 where unvoiced, through an exported vocoder, as WAV."""
    decoder = Vocoder(OnnxGraph(vocoder, threads=1))
    random = np.random.Generator(np.random.Philox(0))
    path.parent.mkdir(parents=True, exist_ok=True)
    audio.write(path, decoder.decode(mel, pitch, partial(standard_normal, random)))
