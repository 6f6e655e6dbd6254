"""The second head learns from full-band recordings how loud it is above 12 kHz. Needs torch."""

from __future__ import annotations

import io
import itertools
import json
import tarfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile

torch = pytest.importorskip("torch")
pytest.importorskip("onnx")

from resay.errors import BadFile  # noqa: E402
from resay.onnx_graph import OnnxGraph  # noqa: E402
from resay.train import export, loop, upper_band  # noqa: E402
from resay.train.recordings import is_held_out  # noqa: E402

SHAPE = upper_band.UpperBandShape(width=24, layers=1)
COLUMNS = "clip shard set language speaker gender seconds bandwidth_hz floor_db source licence text".split()


def breathing(seed: int) -> np.ndarray:
    """A second and a half of noise at 48 kHz that comes and goes, as loud above 12 kHz as below."""
    random = np.random.default_rng(seed)
    time = np.arange(72_000) / 48_000
    loud = 0.002 + 0.1 * np.clip(np.sin(2 * np.pi * (2 + 0.2 * (seed % 5)) * time), 0, 1)
    return (loud * random.standard_normal(len(time))).astype(np.float32)


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> list[upper_band.WideClip]:
    folder = tmp_path_factory.mktemp("wide")
    rows = ["\t".join(COLUMNS)]
    with tarfile.open(folder / "wide-00.tar", "w") as tar:
        for number in range(40):
            content = io.BytesIO()
            soundfile.write(content, breathing(number), 48_000, format="FLAC")
            entry = tarfile.TarInfo(f"w{number}.flac")
            entry.size = content.getbuffer().nbytes
            content.seek(0)
            tar.addfile(entry, content)
            facts = (f"w{number}.flac", "wide-00", "cv_en", "en", f"speaker{number}", "F", "1.5", "23000", "-70")
            rows.append("\t".join([*facts, "source", "CC0", "words"]))
        damaged = tarfile.TarInfo("bad.flac")
        damaged.size = 7
        tar.addfile(damaged, io.BytesIO(b"nothing"))
        rows.append("\t".join(["bad.flac", *rows[1].split("\t")[1:]]))
    (folder / "wide.tsv").write_text("\n".join(rows) + "\n", encoding="utf-8")
    return upper_band.read(folder)


def test_full_band_recordings_are_read_at_both_rates(clips: list[upper_band.WideClip], tmp_path: Path) -> None:
    assert len(clips) == 40
    for one in clips:
        assert one.mel.shape == (120, 80)
        assert one.levels.shape == (120, upper_band.upper_band.BANDS)
        assert one.pitch.shape == (120,)
        # As loud above as below, so the one tells the other.
        assert np.corrcoef(one.mel.mean(axis=1), one.levels.mean(axis=1))[0, 1] > 0.9
    assert {is_held_out(one.clip) for one in clips} == {True, False}
    with pytest.raises(BadFile, match="no full-band recordings"):
        upper_band.read(tmp_path)


def test_it_learns_and_what_is_exported_says_the_same(clips: list[upper_band.WideClip], tmp_path: Path) -> None:
    torch.manual_seed(0)
    net = upper_band.UpperBandNet(SHAPE)
    options = loop.Options(tmp_path / "upper_band", steps=80, warmup=5, learning_rate=1e-2, decay=0.5)
    loop.train(net, upper_band.batches(clips, 0, 8), upper_band.losses, options, upper_band.Check(clips))
    last = json.loads((options.out / "log.jsonl").read_text().splitlines()[-1])
    assert last["held_out_level"] < 0.5 * last["held_out_mean_level"]
    trained = loop.load_average(upper_band.UpperBandNet(SHAPE), options.out)
    export.export_upper_band(trained, tmp_path / "upper_band.onnx")
    features = torch.randn(1, 33, 82)
    with torch.no_grad():
        meant = trained(features, torch.full((1, 1), upper_band.scaled_floor(upper_band.CLEAN_FLOOR)))
    said = OnnxGraph(tmp_path / "upper_band.onnx").run(features=features.numpy())["levels"]
    np.testing.assert_allclose(said, meant.numpy(), atol=0.02)
    fresh = upper_band.UpperBandNet(SHAPE)
    assert export.restore(fresh, tmp_path / "upper_band.onnx") == []


def test_held_out_speakers_are_never_drawn(clips: list[upper_band.WideClip]) -> None:
    heard = [one if is_held_out(one.clip) else replace(one, levels=one.levels - 100) for one in clips]
    for batch in itertools.islice(upper_band.batches(heard, 0), 5):
        assert batch["levels"][batch["mask"][..., 0] > 0].max() < -50
