"""Sound as a value, files, and the mel front end."""

from __future__ import annotations

import contextlib
import io
from pathlib import Path

import numpy as np
import pytest
import soundfile

from resay import audio
from resay.audio import FORMAT, Audio
from resay.errors import BadAudio, BadFile, BadOption


def tone(seconds: float = 1.0, hertz: float = 440.0, rate: int = 24_000) -> Audio:
    return Audio((0.3 * np.sin(2 * np.pi * hertz * np.arange(int(seconds * rate)) / rate)).astype(np.float32), rate)


@pytest.mark.parametrize("file_format", ["wav", "flac"])
def test_lossless_files_keep_the_digest(tmp_path: Path, file_format: str) -> None:
    path = tmp_path / f"tone.{file_format}"
    audio.write(path, tone())
    assert audio.read(path).digest() == tone().digest()


@pytest.mark.parametrize("file_format", ["mp3", "opus"])
def test_lossy_files_keep_length_and_pitch(tmp_path: Path, file_format: str) -> None:
    path = tmp_path / f"tone.{file_format}"
    audio.write(path, tone(2.0))
    back = audio.read(path).resampled(24_000)
    assert abs(back.seconds - 2.0) < 0.1
    spectrum = np.abs(np.fft.rfft(back.samples[12_000:36_000]))
    assert abs(int(spectrum.argmax()) - 440) <= 2


def test_pcm_is_the_samples_and_nothing_else() -> None:
    assert audio.encode(tone(), "pcm") == tone().pcm16().tobytes()


def test_channels_are_mixed_and_rates_kept() -> None:
    buffer = io.BytesIO()
    stereo = np.stack([tone(rate=44_100).samples, np.zeros(44_100, np.float32)], axis=1)
    soundfile.write(buffer, stereo, 44_100, format="WAV")
    sound = audio.read(buffer.getvalue())
    assert sound.sample_rate == 44_100
    assert abs(float(np.abs(sound.samples).max()) - 0.15) < 0.01


def test_what_is_no_sound_is_refused_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "empty.wav").write_bytes(b"")
    (tmp_path / "video.mp4").write_bytes(b"\0\0\0\x20ftypisom" + bytes(4000))
    (tmp_path / "cut.wav").write_bytes(audio.encode(tone())[:30])
    for name in ("missing.wav", "empty.wav", "video.mp4", "cut.wav", "."):
        with pytest.raises(BadAudio) as caught:
            audio.read(tmp_path / name)
        assert "\n" not in str(caught.value)


def test_a_header_that_claims_hours_costs_nothing(tmp_path: Path) -> None:
    content = bytearray(audio.encode(tone(0.5)))
    content[40:44] = (0xFFFFFF00).to_bytes(4, "little")
    (tmp_path / "liar.wav").write_bytes(content)
    with contextlib.suppress(BadAudio):
        assert audio.read(tmp_path / "liar.wav").seconds <= 0.6
    with pytest.raises(BadAudio, match="longer"):
        audio.read(audio.encode(tone(3.0)), longest=2.0)


def test_writing_is_whole_or_not_at_all(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(BadFile):
        audio.write(tmp_path / "file" / "out.wav", tone())
    with pytest.raises(BadOption):
        audio.write(tmp_path / "out.xyz", tone())
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_joining_keeps_order_and_refuses_mixed_rates() -> None:
    joined = Audio.join([tone(0.1), tone(0.2)])
    assert len(joined.samples) == 7200
    assert len(Audio.join([]).samples) == 0
    with pytest.raises(ValueError, match="rates"):
        Audio.join([tone(), tone(rate=16_000)])


def test_mel_filters_follow_slaneys_scale() -> None:
    filters = audio.mel_filters()
    assert filters.shape == (80, 601)
    centres = filters.argmax(axis=1) * 20.0
    # Below 1 kHz centres are equally far apart, above they grow by a constant factor.
    low, high = centres[centres < 900], centres[centres > 2000]
    assert np.ptp(np.diff(low)) <= 20.0
    assert np.ptp(high[1:] / high[:-1]) < 0.03
    areas = filters.sum(axis=1) * 20.0
    np.testing.assert_allclose(areas, 1.0, atol=0.12)


def test_log_mel_finds_the_tone_and_counts_frames() -> None:
    mel = audio.log_mel(tone(1.0, 1000.0).samples)
    assert mel.shape == (80, 80)
    band = int(mel[40].argmax())
    assert abs(int(audio.mel_filters()[band].argmax()) * 20 - 1000) < 80
    louder = audio.log_mel(2 * tone(1.0, 1000.0).samples)
    np.testing.assert_allclose(louder[40, band] - mel[40, band], np.log(2), atol=1e-3)
    assert FORMAT.seconds(80) == 1.0
