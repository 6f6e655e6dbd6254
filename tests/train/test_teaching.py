"""The teacher hears what the judge hears, the bridge learns to speak to it, its verdict moves a mel. Needs torch."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from resay.aligner import CLASS_OF  # noqa: E402
from resay.audio import FORMAT, Audio  # noqa: E402
from resay.errors import BadFile  # noqa: E402
from resay.evaluate.speaker_encoder import SpeakerEncoder  # noqa: E402
from resay.text import phonemes  # noqa: E402
from resay.train import aligner_net, loop, recordings, reference_net, reference_stage, speaker_levels, teaching  # noqa: E402
from resay.train.speaker_teacher import SpeakerTeacher  # noqa: E402


def noise(seconds: float, seed: int = 0) -> np.ndarray:
    random = np.random.Generator(np.random.Philox(seed))
    return (0.1 * random.standard_normal(int(16_000 * seconds))).astype(np.float32)


def test_teacher_and_judge_agree(ecapa: Path) -> None:
    samples = noise(1.5)
    said, features = SpeakerTeacher(ecapa)(torch.from_numpy(speaker_levels.levels(samples).T.copy())[None])
    np.testing.assert_allclose(said[0], SpeakerEncoder(ecapa).embed(Audio(samples, 16_000)), atol=1e-4)
    assert [part.shape for part in features] == [(1, 151, 16)] * 4


def test_a_folder_without_the_teacher_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadFile, match="resay evaluate judges"):
        SpeakerTeacher(tmp_path)


def test_the_bridge_learns_and_the_teacher_does_not(ecapa: Path, cache: Path, tmp_path: Path) -> None:
    data = recordings.Recordings(cache)
    listener = teaching.Listener(ecapa)
    held = listener.teacher.leave.weight.clone()
    batches = teaching.bridge_batches(data, 0, size=2)
    first = teaching.bridge_losses(listener, next(batches))
    options = loop.Options(tmp_path / "teacher", steps=25, warmup=3, learning_rate=5e-3, decay=0.5)
    learnt = loop.train(listener, batches, teaching.bridge_losses, options)
    with torch.no_grad():
        last = teaching.bridge_losses(learnt, next(teaching.bridge_batches(data, 0, size=2)))
    assert float(last["level"]) < 0.95 * float(first["level"].detach())
    torch.testing.assert_close(learnt.teacher.leave.weight, held)


def test_likeness_is_perfect_for_the_same_and_pulls_at_another(ecapa: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(teaching, "HISS", 0.0)
    listener = teaching.Listener(ecapa).requires_grad_(False)
    meant = torch.randn(2, 128, FORMAT.mel_bands)
    same = teaching.likeness(listener, meant, meant)
    assert float(same["heard"]) == pytest.approx(0.0, abs=1e-6)
    assert float(same["likeness"]) == pytest.approx(0.0, abs=1e-5)
    said = torch.randn(2, 128, FORMAT.mel_bands, requires_grad=True)
    found = teaching.likeness(listener, said, meant)
    assert float(found["heard"]) > 0.01
    sum(found.values()).backward()
    assert said.grad is not None
    assert float(said.grad.abs().sum()) > 0


def test_every_clip_that_is_long_enough_gets_a_vector(
    ecapa: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(teaching, "VECTOR", 6)
    data = recordings.Recordings(cache)
    with pytest.raises(BadFile, match="resay train teacher"):
        teaching.vectors(data, cache / "nowhere")
    assert teaching.ask(data, SpeakerTeacher(ecapa), cache) == len(data.clips)
    found = teaching.vectors(data, cache)
    np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1.0, atol=1e-2)


def test_the_encoder_follows_its_teacher(cache: Path, tmp_path: Path) -> None:
    data = recordings.Recordings(cache)
    random = np.random.default_rng(0)
    own = {clip.speaker: random.standard_normal(192) for clip in data.clips}
    vectors = np.stack([own[clip.speaker] / np.linalg.norm(own[clip.speaker]) for clip in data.clips])
    earlier = random.standard_normal(vectors.shape)
    turned = reference_stage.turned(vectors, earlier)
    np.testing.assert_allclose(turned @ turned.T, vectors @ vectors.T, atol=1e-5)
    assert (turned * earlier).sum() > (vectors * earlier).sum()
    lessons = reference_stage.lessons(data, vectors)
    batches = reference_stage.batches(data, 0, people=2, taught=lessons)
    torch.manual_seed(0)
    net = reference_net.ReferenceTraining(reference_net.ReferenceShape(width=32, layers=2), 3)
    first = reference_net.losses(net, next(batches))
    options = loop.Options(tmp_path / "reference", steps=40, warmup=5, learning_rate=3e-3, decay=0.5)
    learnt = loop.train(net, batches, reference_net.losses, options)
    with torch.no_grad():
        last = reference_net.losses(learnt, next(batches))
    assert float(last["taught"]) < 0.8 * float(first["taught"].detach())


def test_what_is_misheard_pulls_a_mel_towards_the_sounds_meant() -> None:
    torch.manual_seed(0)
    aligner = aligner_net.AlignerNet(aligner_net.AlignerShape(width=16, layers=1)).requires_grad_(False).eval()
    meant = torch.randn(2, 40, FORMAT.mel_bands)
    mask = torch.ones(2, 40, 1)
    mask[1, 20:] = 0.0
    assert float(teaching.misheard(aligner, meant, meant, mask)) == pytest.approx(0.0, abs=1e-6)
    said = torch.randn(2, 40, FORMAT.mel_bands, requires_grad=True)
    before = teaching.misheard(aligner, said, meant, mask)
    before.backward()
    assert said.grad is not None
    assert float(said.grad[1, 20:].abs().sum()) == 0.0  # padding is nothing that anyone hears
    step = said.detach() - 5.0 * said.grad
    assert 0.0 < float(teaching.misheard(aligner, step, meant, mask)) < float(before.detach())


def test_what_is_unclear_asks_for_the_sounds_planned() -> None:
    torch.manual_seed(0)
    aligner = aligner_net.AlignerNet(aligner_net.AlignerShape(width=16, layers=1)).requires_grad_(False).eval()
    ids = torch.from_numpy(phonemes.ids(["^", "HH", "AY1", "$"]))[None]
    batch = {"ids": ids, "owner": torch.tensor([[0, 0, 1, 1, 1, 2, 2, 3]]), "mask": torch.ones(1, 8, 1)}
    said = torch.randn(1, 8, FORMAT.mel_bands, requires_grad=True)
    lost = teaching.unclear(aligner, said, batch)
    posteriors = aligner(said.detach(), batch["mask"])[0]
    planned = CLASS_OF[ids[0].numpy()]
    sounding = [
        float(posteriors[frame, planned[owner]]) for frame, owner in enumerate(batch["owner"][0]) if 0 < owner < 3
    ]
    assert float(lost.detach()) == pytest.approx(-np.mean(sounding), rel=1e-5)
    lost.backward()
    assert float(teaching.unclear(aligner, said.detach() - 5.0 * said.grad, batch)) < float(lost.detach())
