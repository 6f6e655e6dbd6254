"""Input identity: what happened to a clip or a text between two requests is named."""

from __future__ import annotations

import pytest

from resay import audio, identity
from resay.audio import Audio
from resay.errors import BadAudio


@pytest.fixture
def recorded(clip) -> identity.Clip:
    return identity.clip(clip)


def altered(clip, tmp_path, file_format, rate=24_000):
    path = tmp_path / f"altered.{file_format}"
    audio.write(path, audio.read(clip).resampled(rate))
    return path


def test_same_file_is_the_same_clip_whatever_its_name(recorded, clip, tmp_path):
    (tmp_path / "renamed.wav").write_bytes(clip.read_bytes())
    assert identity.clip_difference(recorded, tmp_path / "renamed.wav") is None


def test_lossless_copy_has_the_same_samples(recorded, clip, tmp_path):
    assert "same samples" in identity.clip_difference(recorded, altered(clip, tmp_path, "flac"))


@pytest.mark.parametrize("file_format", ["mp3", "opus"])
def test_lossy_copy_is_named(recorded, clip, tmp_path, file_format):
    assert "re-encoded (WAV PCM_16 ->" in identity.clip_difference(recorded, altered(clip, tmp_path, file_format))


def test_way_through_mp3_back_to_wav_is_named(recorded, clip, tmp_path):
    audio.write(tmp_path / "back.wav", audio.read(altered(clip, tmp_path, "mp3")))
    assert "re-encoded or edited" in identity.clip_difference(recorded, tmp_path / "back.wav")


def test_changed_rate_is_named(recorded, clip, tmp_path):
    found = identity.clip_difference(recorded, altered(clip, tmp_path, "wav", 16_000))
    assert "24000 -> 16000 Hz" in found


def test_other_recording_is_named(recorded, tmp_path, buzz):
    other = buzz(4.0).samples
    audio.write(tmp_path / "other.wav", Audio(other[::-1].copy()))
    assert "another recording" in identity.clip_difference(recorded, tmp_path / "other.wav")


def test_fingerprint_of_almost_nothing_is_empty(buzz):
    assert identity.fingerprint(Audio(buzz(0.1).samples)) == ""


def test_missing_clip_is_refused(recorded, tmp_path):
    with pytest.raises(BadAudio):
        identity.clip_difference(recorded, tmp_path / "none.wav")


@pytest.mark.parametrize(
    ("text", "kind", "name"),
    [
        ("你\u200b好", "invisible", "U+200B ZERO WIDTH SPACE"),
        ("\ufeffHello", "invisible", "U+FEFF"),
        ("so\u00adft", "invisible", "U+00AD SOFT HYPHEN"),
        ("你好\u3000世界", "space", "U+3000 IDEOGRAPHIC SPACE"),
        ("two\u00a0words", "space", "U+00A0 NO-BREAK SPACE"),
        ("ＡI", "full-width", "U+FF21"),
        ("张三,李四", "half-width", "U+002C COMMA"),
        ("李四､王五", "look-alike", "U+FF64"),
    ],
)
def test_strange_character_is_named(text, kind, name):
    (remark,) = identity.remarks(text)
    assert remark.kind == kind
    assert name in str(remark)


@pytest.mark.parametrize(
    "text", ["你好，世界！“引”——3.5%。", "Good morning, Ada: it's 3.5 o'clock.", "用 Wi-Fi, please。", "《书》、【表】"]
)
def test_ordinary_text_needs_no_remark(text):
    assert list(identity.remarks(text)) == []


def test_canonical_text_is_equal_for_texts_that_read_the_same():
    assert identity.canonical_text("ＡI\u3000你\u200b好 ") == identity.canonical_text("AI 你好")


def test_difference_of_texts_names_place_and_character():
    assert identity.text_difference("你好", "你好") is None
    found = identity.text_difference("你好。", "你\u200b好。")
    assert found == "at character 2 U+200B ZERO WIDTH SPACE was added (it reads the same)"
    assert "U+3001 IDEOGRAPHIC COMMA became U+002C COMMA" in identity.text_difference("张、李", "张,李")
    assert "and 2 more" in identity.text_difference("a1b1c1d1e1", "a2b2c2d2e2")
    assert "reads the same" not in identity.text_difference("नमस्ते", "hello")
