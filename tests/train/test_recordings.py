"""The corpus reader, on a plain folder and on shards as the synthetic corpus has them."""

from __future__ import annotations

import io
import json
import tarfile
from pathlib import Path

import numpy as np
import pytest

from resay import audio
from resay.errors import BadFile
from resay.train import recordings

from .conftest import TEXTS, chirp


def test_a_plain_folder_is_read(cache: Path) -> None:
    data = recordings.Recordings(cache)
    assert [clip.text for clip in data.clips] == list(TEXTS)
    assert {clip.speaker for clip in data.clips} == {"speaker0", "speaker1", "speaker2"}
    assert [clip.language for clip in data.clips] == ["en", "zh"] * 3
    clip = data.clips[2]
    assert data.mel(clip).shape == (clip.frames, 80)
    assert len(data.pitch(clip)) == clip.frames
    again = audio.log_mel(data.samples(clip))
    np.testing.assert_allclose(again[4:-4], data.mel(clip)[4:-4], atol=0.02)
    np.testing.assert_array_equal(data.samples(clip, 10, 5), data.samples(clip)[3000:4500])


def test_preparing_again_reads_nothing_twice(corpus: Path, cache: Path) -> None:
    assert recordings.prepare(corpus, cache, workers=1) == 0


def test_shards_carry_exact_durations(tmp_path: Path) -> None:
    sound = chirp(1.5, 150, 0)
    sound.samples[: int(0.5 * sound.sample_rate)] = 0.0
    row = {
        "id": "x1",
        "lang": "en",
        "text": "hi",
        "phones": ["^", "HH", "AY1", ".", "$"],
        "dur": [10, 8, 30, 8, 3],
        "timbre": [["af_heart", 1.0]],
        "prosody": [["af_heart", 1.0]],
        "speed": 1.0,
        "sec": 1.5,
    }
    (tmp_path / "toy-00.jsonl").write_text(json.dumps(row) + "\n", encoding="utf-8")
    with tarfile.open(tmp_path / "toy-00.tar", "w") as tar:
        content = audio.encode(sound, "opus")
        info = tarfile.TarInfo("x1.opus")
        info.size = len(content)
        tar.addfile(info, io.BytesIO(content))
    # A curve of the teacher's that never sinks: it is not read, since silence has no pitch.
    np.savez(tmp_path / "toy-00-pitch.npz", **{"x1/f0": np.full(120, 170.0), "x1/n": np.zeros(120)})
    assert recordings.prepare(tmp_path, tmp_path / "cache", workers=1) == 1
    data = recordings.Recordings(tmp_path / "cache")
    clip = data.clips[0]
    assert clip.speaker == "af_heart:1"
    assert clip.durations is not None
    assert sum(clip.durations) == clip.frames == 120
    # The teacher speaks three units before its durations say: the first gives them up, the last takes them.
    assert clip.durations == (14, 16, 60, 16, 14)
    track = data.pitch(clip)
    assert (track[:36] == 0).all()
    assert np.median(track[44:]) == pytest.approx(150, rel=0.1)


def test_a_sound_without_transcript_is_named(tmp_path: Path) -> None:
    audio.write(tmp_path / "lonely.wav", chirp(1.0, 100, 0))
    with pytest.raises(BadFile, match="lonely"):
        recordings.prepare(tmp_path, tmp_path / "cache", workers=1)


def test_an_empty_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadFile, match="neither"):
        recordings.prepare(tmp_path, tmp_path / "cache", workers=1)
    with pytest.raises(BadFile, match="no features"):
        recordings.Recordings(tmp_path)


def test_batches_stay_in_budget_and_lose_nothing() -> None:
    random = np.random.default_rng(0)
    lengths = random.integers(50, 900, 400)
    groups = list(recordings.batches_by_length(lengths, 4000, np.random.default_rng(1)))
    assert sorted(int(index) for group in groups for index in group) == list(range(400))
    assert max(len(group) * lengths[group].max() for group in groups) <= 4000
    again = list(recordings.batches_by_length(lengths, 4000, np.random.default_rng(1)))
    assert all((one == other).all() for one, other in zip(groups, again, strict=True))
    padding = 1 - sum(lengths) / sum(len(group) * lengths[group].max() for group in groups)
    assert padding < 0.15


def test_the_held_out_rule_is_about_one_in_sixteen_speakers() -> None:
    def clip(name: str) -> recordings.Clip:
        return recordings.Clip(name, "cv_zh", "zh", name, "", "", 0.0, 0.0, "")

    share = np.mean([recordings.is_held_out(clip(f"speaker {index}")) for index in range(4000)])
    assert 0.045 < share < 0.08
