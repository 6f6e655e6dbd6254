"""Outputs: whole or not at all, and as soon as possible where that is asked for."""

from __future__ import annotations

import io

import numpy as np
import pytest
import soundfile

from resay import audio, ogg, outputs
from resay.audio import Audio
from resay.errors import BadFile, BadOption

PIECES = [Audio(np.sin(np.arange(36_000) / rate).astype(np.float32) * 0.3) for rate in (10, 20, 30)]


def test_files_appear_together_or_not_at_all(tmp_path):
    def interrupted():
        with outputs.staging() as staged:
            staged.add(tmp_path / "a.txt", b"a")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert list(tmp_path.iterdir()) == []
    with outputs.staging() as staged:
        staged.add(tmp_path / "a.txt", b"a")
        staged.add(tmp_path / "new" / "b.txt", b"b")
        assert not (tmp_path / "a.txt").exists()
    assert (tmp_path / "a.txt").read_bytes() == b"a"
    assert (tmp_path / "new" / "b.txt").read_bytes() == b"b"
    assert len(list(tmp_path.rglob("*"))) == 3


@pytest.mark.parametrize("file_format", ["wav", "flac", "pcm"])
def test_file_that_grows_equals_the_file_written_at_once(tmp_path, file_format):
    target = tmp_path / "out"
    with outputs.staging() as staged:
        sink = outputs.FileSink(staged, target, file_format, 24_000)
        for piece in PIECES:
            sink.write(piece)
        sink.finish()
    assert target.read_bytes() == audio.encode(Audio.join(PIECES), file_format)


@pytest.mark.parametrize("file_format", ["mp3", "opus"])
def test_lossy_file_is_complete(tmp_path, file_format):
    with outputs.staging() as staged:
        sink = outputs.FileSink(staged, tmp_path / "out", file_format, 24_000)
        for piece in PIECES:
            sink.write(piece)
        sink.finish()
    samples, rate = soundfile.read(tmp_path / "out")
    assert abs(len(samples) / rate - 4.5) < 0.1
    assert (tmp_path / "out").read_bytes() == audio.encode(Audio.join(PIECES), file_format)


def test_place_that_cannot_be_written_is_refused(tmp_path):
    (tmp_path / "file").touch()
    for target in [tmp_path, tmp_path / "file" / "out.wav"]:
        with pytest.raises(BadFile), outputs.staging() as staged:
            outputs.FileSink(staged, target, "wav", 24_000)


@pytest.mark.parametrize("file_format", outputs.STREAM_FORMATS)
def test_stream_gives_every_piece_at_once(file_format):
    stream = io.BytesIO()
    sink = outputs.StreamSink(stream, file_format, 24_000)
    lengths = []
    for piece in PIECES:
        sink.write(piece)
        lengths.append(len(stream.getvalue()))
    sink.finish()
    assert lengths == sorted(set(lengths))
    raw = {"format": "RAW", "subtype": "PCM_16", "samplerate": 24_000, "channels": 1} if file_format == "pcm" else {}
    samples, rate = soundfile.read(io.BytesIO(stream.getvalue()), **raw)
    assert rate == 24_000
    assert len(samples) == 108_000


def test_format_that_mends_its_head_is_not_streamed():
    with pytest.raises(BadOption, match="cannot be streamed"):
        outputs.StreamSink(io.BytesIO(), "mp3", 24_000)


def test_whole_sink_writes_nothing_before_the_end():
    stream = io.BytesIO()
    sink = outputs.WholeSink(stream, "flac")
    for piece in PIECES:
        sink.write(piece)
    assert stream.getvalue() == b""
    sink.finish()
    assert stream.getvalue() == audio.encode(Audio.join(PIECES), "flac")


def test_opus_keeps_only_what_the_sound_decides():
    sound = audio.encode(Audio.join(PIECES), "opus")
    assert sound == audio.encode(Audio.join(PIECES), "opus")
    assert ogg.steady(sound) == sound
    for content in (b"", b"junk", sound[:100], b"OggS" * 20):
        assert len(ogg.steady(content)) == len(content)


def test_running_digest_is_the_digest_of_the_whole():
    digest = outputs.RunningDigest(24_000)
    for piece in PIECES:
        digest.add(piece)
    assert digest.value() == Audio.join(PIECES).digest()
    assert digest.samples == 108_000
