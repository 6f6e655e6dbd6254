"""The voice source and the way back from short spectra."""

from __future__ import annotations

from itertools import islice
from typing import ClassVar

import numpy as np

from resay import audio, vocoder
from resay.audio import FORMAT
from resay.onnx_graph import OnnxGraph
from resay.synthesis import SHIPPED


def test_pulses_have_the_pitch_and_all_harmonics() -> None:
    source = vocoder.pulses(np.full(80, 200.0, np.float32))
    assert abs(float(source[2400:-2400].std()) - 1.0) < 0.02
    spectrum = np.abs(np.fft.rfft(source[2400:21_600] * np.hanning(19_200)))
    harmonics = spectrum[[round(200 * k * 19_200 / 24_000) for k in range(1, 59)]]
    assert harmonics.min() > 0.9 * harmonics.max()
    between = spectrum[[round(200 * (k + 0.5) * 19_200 / 24_000) for k in range(1, 58)]]
    assert between.max() < 0.01 * harmonics.min()


def test_unvoiced_frames_have_no_pulses() -> None:
    pitch = np.where(np.arange(80) < 40, 150.0, 0.0).astype(np.float32)
    source = vocoder.pulses(pitch)
    assert np.abs(source[: 38 * FORMAT.hop]).max() > 1
    assert not source[42 * FORMAT.hop :].any()


def test_a_long_source_keeps_its_phase() -> None:
    source = vocoder.pulses(np.full(80 * 120, 101.0, np.float32))
    first, last = (np.abs(np.fft.rfft(part * np.hanning(24_000))) for part in (source[:24_000], source[-24_000:]))
    np.testing.assert_allclose(last[101 * 100], first[101 * 100], rtol=0.02)


class Passing:
    """A graph that passes the noise and drops the pulses."""

    note: ClassVar[dict[str, str]] = {"layers": "2", "kernel": "7"}

    def run(self, features: np.ndarray) -> dict[str, np.ndarray]:
        shape = (1, features.shape[1], FORMAT.bins)
        return {"real": np.zeros(shape), "imaginary": np.zeros(shape), "noise": np.ones(shape)}


def test_overlapping_windows_add_up_to_what_went_in() -> None:
    random = np.random.default_rng(0)
    noise = (0.1 * random.standard_normal(260 * FORMAT.hop)).astype(np.float32)
    decoder = vocoder.Vocoder(Passing())  # type: ignore[arg-type]
    said = decoder.decode(np.zeros((260, 80), np.float32), np.zeros(260, np.float32), lambda _: noise)
    assert len(said.samples) == len(noise)
    inner = slice(FORMAT.window, -FORMAT.window)
    np.testing.assert_allclose(said.samples[inner], noise[inner], atol=1e-5)


def test_frames_are_centred_on_their_hop() -> None:
    samples = np.zeros(FORMAT.hop * 20, np.float32)
    samples[FORMAT.hop * 10 + FORMAT.hop // 2] = 1.0
    windows = audio.frames(samples)
    assert windows.shape == (20, FORMAT.window)
    assert int(windows[10].argmax()) == FORMAT.window // 2


def test_windows_hear_all_that_the_network_looks_at() -> None:
    decoder = vocoder.Vocoder(OnnxGraph(SHIPPED / "vocoder.onnx"))
    random = np.random.default_rng(1)
    count = sum(vocoder.WINDOWS) + 30
    mel = np.cumsum(0.2 * random.standard_normal((count, 80)), axis=0).astype(np.float32) - 4
    pitch, noise = np.full(count, 140.0, np.float32), random.standard_normal(count * FORMAT.hop).astype(np.float32)
    coming, drawn = [slice(70), slice(70, None)], iter(noise)
    parts = list(
        decoder.stream(
            [(mel[part], pitch[part] > 0, pitch[part]) for part in coming],
            lambda more: np.fromiter(islice(drawn, more), np.float32),
        )
    )
    assert len(parts) == 4
    assert parts[0].seconds < 0.5
    whole = OnnxGraph(SHIPPED / "vocoder.onnx").run(features=vocoder.features(mel, pitch)[None])
    window = audio.hann(FORMAT.window)
    shaped = np.fft.rfft(audio.frames(vocoder.pulses(pitch)) * window) * (whole["real"][0] + 1j * whole["imaginary"][0])
    shaped += np.fft.rfft(audio.frames(noise) * window) * whole["noise"][0]
    meant = np.zeros((count + 3) * FORMAT.hop)
    for frame, sound in enumerate(np.fft.irfft(shaped) * window / 1.5):
        meant[frame * FORMAT.hop : frame * FORMAT.hop + FORMAT.window] += sound
    side = (FORMAT.window - FORMAT.hop) // 2
    said = audio.Audio.join(parts).samples
    assert len(said) == count * FORMAT.hop
    np.testing.assert_allclose(said, np.clip(meant[side : side + len(said)], -1, 1), atol=1e-4)
