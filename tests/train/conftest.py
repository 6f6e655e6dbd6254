"""A tiny corpus that the tests make themselves: a few seconds of chirping noise with transcripts."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from resay.audio import Audio, write
from resay.train import recordings


def chirp(seconds: float, hertz: float, seed: int) -> Audio:
    """Something with pitch, loudness and pauses."""
    random = np.random.default_rng(seed)
    time = np.arange(int(seconds * 24_000)) / 24_000
    phase = 2 * np.pi * np.cumsum(hertz * (1 + 0.2 * np.sin(2 * np.pi * time))) / 24_000
    tone = sum(np.sin(k * phase) / k for k in range(1, 12))
    loud = np.clip(np.sin(2 * np.pi * 2.3 * time) + 0.4, 0.02, 1.0)
    return Audio((0.1 * tone * loud + 0.002 * random.standard_normal(len(time))).astype(np.float32))


TEXTS = ("the cat sat down", "今天天气很好", "we went home", "我们去公园", "a small red boat", "他们在说话")


@pytest.fixture(scope="session")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A plain folder: three speakers, two recordings each."""
    folder = tmp_path_factory.mktemp("corpus")
    for index, text in enumerate(TEXTS):
        path = folder / f"speaker{index // 2}" / f"clip{index}.wav"
        path.parent.mkdir(exist_ok=True)
        write(path, chirp(2.0 + 0.2 * index, 110 + 30 * index, index))
        path.with_suffix(".txt").write_text(text, encoding="utf-8")
    return folder


@pytest.fixture(scope="session")
def cache(corpus: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("cache")
    assert recordings.prepare(corpus, folder, workers=1) == len(TEXTS)
    return folder
