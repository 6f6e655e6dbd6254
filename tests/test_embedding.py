"""A manifest inside its sound: it comes back, the samples stay, and nothing damaged crashes."""

from __future__ import annotations

import contextlib
import io
import random

import numpy as np
import pytest
import soundfile

from resay import audio, embedding
from resay.audio import Audio
from resay.errors import BadFile, BadOption

MANIFEST = '{"resay_manifest":1,"text":"早上好"}\n'.encode()


@pytest.fixture
def sound(buzz) -> Audio:
    return buzz(0.5)


@pytest.mark.parametrize("file_format", ["wav", "flac"])
@pytest.mark.parametrize("manifest", [MANIFEST, MANIFEST + b" ", b""], ids=["odd", "even", "empty"])
def test_manifest_comes_back_and_the_samples_stay(file_format, manifest, sound):
    plain = audio.encode(sound, file_format)
    assert embedding.extract(plain) is None
    inside = embedding.embed(plain, file_format, manifest)
    assert embedding.extract(inside) == manifest
    samples, _ = soundfile.read(io.BytesIO(inside), dtype="int16")
    np.testing.assert_array_equal(samples, sound.pcm16())


@pytest.mark.parametrize("file_format", ["wav", "flac"])
def test_second_manifest_replaces_the_first(file_format, sound):
    plain = audio.encode(sound, file_format)
    once = embedding.embed(plain, file_format, MANIFEST)
    assert embedding.embed(embedding.embed(plain, file_format, b"old"), file_format, MANIFEST) == once


def test_other_chunks_and_comments_are_kept(sound):
    wav = audio.encode(sound, "wav")
    odd = wav + b"note\x03\x00\x00\x00abc\x00"
    assert b"note\x03\x00\x00\x00abc\x00rsay" in embedding.embed(odd, "wav", MANIFEST)
    buffer = io.BytesIO()
    with soundfile.SoundFile(buffer, "w", 24_000, 1, "PCM_16", format="FLAC") as file:
        file.title = "早上好"
        file.write(sound.pcm16())
    inside = embedding.embed(buffer.getvalue(), "flac", MANIFEST)
    with soundfile.SoundFile(io.BytesIO(inside)) as file:
        assert file.title == "早上好"


@pytest.mark.parametrize("file_format", ["mp3", "opus", "pcm"])
def test_other_formats_are_refused(file_format):
    with pytest.raises(BadOption, match="use wav or flac"):
        embedding.embed(b"", file_format, MANIFEST)


def test_what_is_no_sound_holds_no_manifest():
    assert embedding.extract(b"junk") is None
    for content in (b"RIFF", b"RIFF\0\0\0\0WAVX", b"fLaC", b"fLaC\x04\xff\xff\xff"):
        with pytest.raises(BadFile):
            embedding.embed(content, "flac" if content[:1] == b"f" else "wav", MANIFEST)


@pytest.mark.parametrize("file_format", ["wav", "flac"])
def test_damage_is_refused_or_harmless(file_format, sound):
    inside = embedding.embed(audio.encode(sound, file_format), file_format, MANIFEST)
    rng = random.Random(file_format)
    for _ in range(300):
        broken = bytearray(inside[: rng.randrange(len(inside))] if rng.random() < 0.5 else inside)
        if broken:
            broken[rng.randrange(len(broken))] ^= 1 << rng.randrange(8)
        for read in (embedding.extract, lambda content: embedding.embed(content, file_format, MANIFEST)):
            with contextlib.suppress(BadFile):
                read(bytes(broken))
