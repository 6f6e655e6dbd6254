"""Networks: export agrees with torch, training goes downhill, a run can be resumed. Needs torch."""

from __future__ import annotations

import itertools
import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("onnx")

from resay import adapter, aligner, reference, semantic, text, vocoder  # noqa: E402
from resay.audio import FORMAT, read  # noqa: E402
from resay.onnx_graph import OnnxGraph  # noqa: E402
from resay.prosody import Codes  # noqa: E402
from resay.train import (  # noqa: E402
    acoustic_net,
    acoustic_stage,
    aligner_net,
    aligner_stage,
    annotations,
    command,
    critic,
    export,
    loop,
    prosody_net,
    prosody_stage,
    recordings,
    reference_net,
    release,
    teaching,
    vectors,
    vocoder_net,
    vocoder_stage,
)
from resay.train.layers import Block  # noqa: E402

ACOUSTIC = acoustic_net.AcousticShape(
    width=32,
    encoder_layers=2,
    decoder_width=32,
    decoder_layers=2,
    postnet_width=16,
    postnet_layers=1,
    latent=192,
    flow_width=16,
    flow_layers=1,
    flow_steps=2,
    posterior_layers=1,
    duration_filter_channels=16,
    condition=16,
)
PROSODY = prosody_net.ProsodyShape(width=32, text_layers=1, layers=2, heads=2, durations=12, pitches=9, energies=7)
VOCODER = vocoder_net.VocoderShape(width=32, layers=2)
ALIGNER = aligner_net.AlignerShape(width=24, layers=2)
REFERENCE = reference_net.ReferenceShape(width=32, layers=2)


def shaken(net: torch.nn.Module) -> torch.nn.Module:
    """A network whose zero-started parts do something, so that a lost connection would show."""
    torch.manual_seed(0)
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.add_(0.05 * torch.randn_like(parameter))
    return net.eval()


def arrays(values: dict[str, torch.Tensor]) -> dict[str, np.ndarray]:
    return {name: value.numpy() for name, value in values.items()}


def test_vocoder_export_agrees(tmp_path: Path) -> None:
    net = shaken(vocoder_net.VocoderNet(VOCODER))
    export.export_vocoder(net, tmp_path / "v.onnx")
    features = torch.randn(1, 37, 82)
    with torch.no_grad():
        meant = net(features)
    said = OnnxGraph(tmp_path / "v.onnx").run(features=features.numpy())
    for name, value in zip(("real", "imaginary", "noise"), meant, strict=True):
        np.testing.assert_allclose(said[name], value.numpy(), rtol=0.02, atol=2e-3)


def test_numpy_and_torch_put_the_same_sound_together(tmp_path: Path) -> None:
    net = shaken(vocoder_net.VocoderNet(VOCODER))
    export.export_vocoder(net, tmp_path / "v.onnx")
    random = np.random.default_rng(0)
    mel = random.standard_normal((40, 80)).astype(np.float32) - 4
    pitch = np.where(np.arange(40) % 20 < 14, 140.0, 0.0).astype(np.float32)
    noise = random.standard_normal(40 * FORMAT.hop).astype(np.float32)
    said = vocoder.Vocoder(OnnxGraph(tmp_path / "v.onnx")).decode(mel, pitch, lambda _: noise)
    with torch.no_grad():
        inputs = (vocoder.features(mel, pitch), vocoder.pulses(pitch), noise)
        meant = vocoder_net.synthesise(net, *(torch.from_numpy(value)[None] for value in inputs))[0].numpy()
    # Only the ends differ: one pads by reflection before the cut, the other after.
    inner = slice(FORMAT.window, -FORMAT.window)
    np.testing.assert_allclose(said.samples[inner], np.clip(meant, -1, 1)[inner], atol=0.02 * np.abs(meant).max())


def test_reference_export_agrees(tmp_path: Path) -> None:
    net = shaken(reference_net.ReferenceNet(REFERENCE))
    export.export_reference(net, tmp_path / "r.onnx")
    mel = torch.randn(1, 91, 80)
    with torch.no_grad():
        meant = net(mel, torch.ones(1, 91, 1))
    said = OnnxGraph(tmp_path / "r.onnx").run(mel=mel.numpy())["timbre"]
    np.testing.assert_allclose(said, meant.numpy(), atol=5e-3)
    assert abs(float(np.linalg.norm(said)) - 1) < 1e-5


def adapter_inputs(graph: OnnxGraph, size: float) -> dict[str, torch.Tensor]:
    """Random arrays of this size for everything that a graph takes of a tuned voice."""
    given = [name for name in adapter.INPUTS if name in graph.shapes]
    shapes = {name: [it if isinstance(it, int) else 3 for it in graph.shapes[name]] for name in given}
    return {name: size * torch.randn(shape) for name, shape in shapes.items()}


@pytest.mark.parametrize(("bits", "tolerance"), [(16, 0.01), (8, 0.06)])
@pytest.mark.parametrize("size", [0.0, 0.3])
def test_acoustic_export_agrees(tmp_path: Path, bits: int, tolerance: float, size: float) -> None:
    net = shaken(acoustic_net.AcousticNet(ACOUSTIC))
    export.export_acoustic(net, tmp_path, bits)
    encoder, decoder = (OnnxGraph(tmp_path / f"acoustic_{part}.onnx") for part in ("encoder", "decoder"))
    own, own_decoder = adapter_inputs(encoder, size), adapter_inputs(decoder, size)
    assert (set(own), set(own_decoder)) == ({"offset", "adapter"}, {"adapter", "ranks", "tone"})
    ids, timbre, style = torch.tensor([[1, 20, 30, 40, 2]]), torch.randn(1, 192), torch.randn(1, 16)
    meaning, sounds = torch.randn(1, 5, 64), torch.randn(1, *aligner.SOUNDS).abs()
    given = {"ids": ids, "semantic": meaning, "timbre": timbre, "style": style, "sounds": sounds}
    encoded = encoder.run(**arrays(given | own))
    owner = torch.arange(5).repeat_interleave(4)[None]
    plan, noise = torch.randn(1, 20, 85), torch.randn(1, 10, 192)
    frames = arrays({"owner": owner, "plan": plan, "noise": noise, "strength": torch.ones(1)} | own_decoder)
    said = decoder.run(text=encoded["text"], condition=encoded["condition"], **frames)
    with torch.no_grad():
        condition = net.conditioner(timbre, style, torch.tensor([[1.0, 0.1]]))
        # Without anything of its own, a voice is what it was before there were adapters.
        parts = [None, None, None] if size == 0 else [own["adapter"], own_decoder["adapter"], own_decoder["ranks"]]
        condition = condition + own["offset"]
        text, _ = net.text(ids, meaning, sounds, condition, adapter=parts[0])
        x = net.frames(text, owner, plan)
        mean, deviation = net.prior_of(x)
        latent = net.flow.inverse(mean + noise * deviation.exp(), condition)
        _, mel, voicing = net.decode(x, latent, condition, adapter=parts[1], ranks=parts[2])
        mel = acoustic_net.toned(mel, own_decoder["tone"])
    np.testing.assert_allclose(said["mel"], mel.numpy(), atol=tolerance * float(mel.abs().max()))
    np.testing.assert_allclose(said["voicing"], voicing.numpy(), atol=tolerance * float(mel.abs().max()))
    fresh = acoustic_net.AcousticNet(ACOUSTIC)
    missing = export.restore(fresh, tmp_path / "acoustic_encoder.onnx", tmp_path / "acoustic_decoder.onnx")
    assert missing
    assert all(name.startswith("posterior.") for name in missing)
    export.save_latent(net, tmp_path / "latent.safetensors")
    export.restore_latent(fresh, tmp_path / "latent.safetensors")
    torch.testing.assert_close(fresh.posterior.enter.weight, net.posterior.enter.weight, atol=1e-3, rtol=1e-3)


def test_a_feed_forward_decoder_holds_no_latent(tmp_path: Path) -> None:
    net = shaken(acoustic_net.AcousticNet(ACOUSTIC))
    export.export_acoustic(net, tmp_path, 16, latent=False)
    decoder = OnnxGraph(tmp_path / "acoustic_decoder.onnx")
    assert not {"noise", "strength"} & set(decoder.inputs)
    text, condition = torch.randn(1, 5, 32), torch.randn(1, 16)
    owner, plan = torch.arange(5).repeat_interleave(4)[None], torch.randn(1, 20, 85)
    given = {"text": text, "owner": owner, "plan": plan, "condition": condition} | adapter_inputs(decoder, 0.0)
    with torch.no_grad():
        _, mel, _ = net.decode(net.frames(text, owner, plan), None, condition)
    np.testing.assert_allclose(decoder.run(**arrays(given))["mel"], mel.numpy(), atol=0.01 * float(mel.abs().max()))
    fresh = acoustic_net.AcousticNet(ACOUSTIC)
    missing = export.restore(fresh, tmp_path / "acoustic_encoder.onnx", tmp_path / "acoustic_decoder.onnx")
    assert missing
    assert all(name.startswith(acoustic_net.LATENT_PARTS) for name in missing)


def test_the_flow_is_invertible() -> None:
    net = shaken(acoustic_net.AcousticNet(ACOUSTIC))
    z, condition = torch.randn(2, 9, 192), torch.randn(2, 16)
    with torch.no_grad():
        moved = net.flow(z, condition)
        assert (moved - z).abs().max() > 0.01
        torch.testing.assert_close(net.flow.inverse(moved, condition), z, atol=1e-5, rtol=1e-5)


def test_prosody_steps_agree_with_the_whole(tmp_path: Path) -> None:
    net = shaken(prosody_net.ProsodyNet(PROSODY))
    export.export_prosody(net, tmp_path)
    text, before = torch.randn(1, 6, 32), torch.randint(0, 7, (1, 6, 3))
    with torch.no_grad():
        whole, _ = net.steps(text, before, net.empty_cache(1))
    graph = OnnxGraph(tmp_path / "prosody_steps.onnx")
    cache = net.empty_cache(1).numpy()
    for step in range(6):
        one = slice(step, step + 1)
        answer = graph.run(text=text[:, one].numpy(), before=before[:, one].numpy(), cache=cache)
        cache = answer["longer"]
        np.testing.assert_allclose(answer["hidden"][0, 0], whole[0, step].numpy(), atol=0.05)


def test_a_language_model_goes_on_with_other_contours() -> None:
    """Seven contours it knows, in another order and one of them twice: what it says of them stays what it said."""
    net = shaken(prosody_net.ProsodyNet(PROSODY))
    known = np.random.default_rng(0).standard_normal((PROSODY.pitches, 3)).astype(np.float32)
    known[8] = 9.0  # a contour that nobody says any more
    from_known = np.array([0, 3, 1, 2, 7, 6, 5, 4, 4])
    fixed = np.arange(1, 4, dtype=np.float32)
    before, now = (Codes(fixed, contours, fixed) for contours in (known, known[from_known] + 0.01))
    text, chosen = torch.randn(1, 5, PROSODY.width), torch.randint(PROSODY.pitches, (1, 5))

    def said(tokens: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        history = torch.nn.functional.pad(tokens[:, :-1] + 1, (1, 0))
        other = torch.zeros_like(history)
        hidden, _ = net.steps(text, torch.stack([other, history, other], dim=-1), net.empty_cache(1))
        _, pitch, energy = net.heads(hidden, other, tokens)
        return torch.softmax(pitch, dim=-1), energy

    with torch.no_grad():
        pitch_before, energy_before = said(torch.from_numpy(from_known)[chosen])
        prosody_stage.recode(net, before, now)
        pitch_now, energy_now = said(chosen)
    torch.testing.assert_close(energy_now, energy_before)
    merged = torch.zeros_like(pitch_before).index_add_(2, torch.from_numpy(from_known), pitch_now)
    left = pitch_before[..., :8] / pitch_before[..., :8].sum(dim=-1, keepdim=True)
    torch.testing.assert_close(merged[..., :8], left)


def test_prosody_text_takes_an_adapter(tmp_path: Path) -> None:
    net = shaken(prosody_net.ProsodyNet(PROSODY))
    export.export_prosody(net, tmp_path)
    graph = OnnxGraph(tmp_path / "prosody_text.onnx")
    ids, timbre, style = torch.tensor([[1, 20, 30, 2]]), torch.randn(1, 192), torch.randn(1, 16)
    meaning = torch.randn(1, 4, 64)
    for size in (0.0, 0.3):
        own = adapter_inputs(graph, size)
        given = {"ids": ids, "semantic": meaning, "timbre": timbre, "style": style}
        said = graph.run(**arrays(given | own))["text"]
        with torch.no_grad():
            meant = net.text(ids, meaning, timbre, style, None, *(own.values() if size else ()))
        np.testing.assert_allclose(said, meant.numpy(), atol=0.06 * float(meant.abs().max()))
    fresh = prosody_net.ProsodyNet(PROSODY)
    assert export.restore_prosody(fresh, tmp_path) == []
    torch.testing.assert_close(fresh.text.speaker.weight, net.text.speaker.weight, atol=0.01, rtol=0.02)
    torch.testing.assert_close(fresh.steps.duration.weight, net.steps.duration.weight, atol=0.01, rtol=0.02)
    torch.testing.assert_close(fresh.heads.duration.weight, net.heads.duration.weight, atol=0.01, rtol=0.02)


class Meaning(vectors.Vectors):
    """Vectors of a language that nobody has learnt."""

    def __init__(self) -> None:
        pass

    def of(self, clip: str, phonemes: int) -> np.ndarray:
        random = np.random.default_rng(len(clip))
        return random.standard_normal((phonemes, semantic.SEMANTIC)).astype(np.float32)


@pytest.fixture
def collator(cache: Path) -> acoustic_stage.Collator:
    data = recordings.Recordings(cache)
    random = np.random.default_rng(0)
    count = len(data.clips)
    timbre = random.standard_normal((count, 192)).astype(np.float32)
    torch.manual_seed(0)
    aligner_stage.align_all(aligner_net.AlignerNet(ALIGNER).eval(), data, cache)
    found = annotations.Profiles(
        timbre / np.linalg.norm(timbre, axis=1, keepdims=True),
        random.standard_normal((count, 16)).astype(np.float32),
        np.full(count, 150.0, np.float32),
    )
    return acoustic_stage.Collator(data, found, annotations.Heard(data, cache), Meaning())


class Encoder:
    """Hears the same voice in everything."""

    def __init__(self) -> None:
        self.heard: list[np.ndarray] = []

    def run(self, mel: np.ndarray) -> dict[str, np.ndarray]:
        self.heard.append(mel)
        return {"timbre": np.eye(192, dtype=np.float32)[:1]}


def test_a_perturbed_row_is_spoken_by_another_body(
    collator: acoustic_stage.Collator, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(acoustic_stage, "SEVERAL", 0.0)
    encoder = Encoder()
    known = (collator.recordings, collator.profiles, collator.heard, collator.vectors)
    varied = acoustic_stage.Collator(*known, encoder, perturbed=1.0)
    row = acoustic_stage.examples(collator.recordings, cache)[0]
    own, other = (it.row(row, np.random.default_rng(2)) for it in (collator, varied))
    assert len(encoder.heard) == 1
    assert other["timbre"][0] > 0.95
    for name in ("ids", "style"):
        np.testing.assert_array_equal(own[name], other[name])
    factor = len(own["mel"]) / len(other["mel"])
    assert other["quality"][0] == pytest.approx(min(1.0, own["quality"][0] * factor), abs=0.01)
    assert other["quality"][1] == own["quality"][1]
    assert 0.02 < abs(factor - 1.0) < 0.13
    higher = np.median(other["plan"][:, 0]) - np.median(own["plan"][:, 0])
    assert higher == pytest.approx(np.log2(factor), abs=0.05), "the pitch moves with the tempo"
    assert other["durations"].sum() == len(other["mel"]) == len(other["owner"]) == len(other["voiced"])
    assert collator.row(row, np.random.default_rng(2))["timbre"] == pytest.approx(own["timbre"])


@pytest.mark.parametrize("perturbed", [0.0, 1.0])
def test_some_speakers_are_known_by_several_of_their_clips(
    collator: acoustic_stage.Collator, cache: Path, perturbed: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(acoustic_stage, "SEVERAL", 1.0)
    monkeypatch.setattr(acoustic_stage, "UNHEARD", 0.0)
    known = (collator.recordings, collator.profiles, collator.heard, collator.vectors)
    encoder = Encoder()
    varied = acoustic_stage.Collator(*known, encoder, perturbed)
    row = acoustic_stage.examples(collator.recordings, cache)[0]
    varied.siblings = {row.clip.speaker: list(range(len(collator.recordings.clips)))}
    one = acoustic_stage.Collator(*known, Encoder(), perturbed)
    one.siblings = {row.clip.speaker: [row.position, row.position]}
    for seed in range(5):  # in one row of five it is the clip itself
        several, single = (it.row(row, np.random.default_rng(seed)) for it in (varied, one))
        assert np.linalg.norm(several["timbre"]) == pytest.approx(1.0, abs=1e-5)
        if several["sounds"][:, -1].sum() > 1.5 * single["sounds"][:, -1].sum() > 0:
            break
    else:
        pytest.fail("never more was heard than of one clip")
    assert perturbed == 0.0 or len(encoder.heard) > 1


def test_an_envelope_keeps_vowels_and_leaves_harmonics_out() -> None:
    bands = torch.arange(FORMAT.mel_bands)
    formants = torch.exp(-(((bands - 20) / 8.0) ** 2)) - 0.5 * torch.exp(-(((bands - 50) / 6.0) ** 2))
    harmonics = torch.cos(torch.pi * (bands + 0.5) / 3)
    kept = acoustic_net.envelope(torch.stack([formants, harmonics])[None])[0]
    assert kept.shape == (2, acoustic_net.CEPSTRA)
    assert float(kept[0].norm() / formants.norm()) == pytest.approx(1.0, abs=0.01)
    assert float(kept[1].norm() / harmonics.norm()) < 0.15


@pytest.mark.parametrize("perturbed", [0.0, 1.0])
def test_the_critic_hears_recordings_as_they_are(
    collator: acoustic_stage.Collator, cache: Path, perturbed: float
) -> None:
    known = (collator.recordings, collator.profiles, collator.heard, collator.vectors)
    varied = acoustic_stage.Collator(*known, Encoder(), perturbed)
    rows = acoustic_stage.examples(collator.recordings, cache)[:4]
    found = critic.losses(critic.AcousticTraining(ACOUSTIC), varied.batch(rows, np.random.default_rng(0)))
    assert "mel" in found
    assert ("critic" in found) == (perturbed == 0.0)


def test_the_aligner_hears_half_of_the_rows_each_time(collator: acoustic_stage.Collator, cache: Path) -> None:
    torch.manual_seed(0)
    rows = acoustic_stage.examples(collator.recordings, cache)[:4]
    batch = collator.batch(rows, np.random.default_rng(0))
    lengths = {int(length) for length in batch["mask"].sum(dim=(1, 2))}
    heard: list[tuple[int, ...]] = []

    class Listening(aligner_net.AlignerNet):
        def forward(self, mel: torch.Tensor, mask: torch.Tensor | None = None) -> torch.Tensor:
            heard.append(tuple(mel.shape[:2]))
            return super().forward(mel, mask)

    ears = teaching.Ears(Listening(ALIGNER).eval().requires_grad_(False))
    training = critic.AcousticTraining(ACOUSTIC)
    for _ in range(4):
        found = critic.losses(training, batch, ears=ears)
        assert float(found["misheard"].detach()) > 0.0
    assert {count for count, _ in heard} == {2}
    assert {longest for _, longest in heard} <= lengths


def test_rates_and_what_is_usual_are_kept(cache: Path) -> None:
    data = recordings.Recordings(cache)
    known = annotations.transcribe(data, cache)
    random = np.random.default_rng(0)
    lengths = {clip.id: random.integers(3, 12, len(known[clip.id])).tolist() for clip in data.clips}
    annotations.write_rates(data, cache, lengths)
    rates, usual = np.load(cache / annotations.RATES), np.load(cache / annotations.USUAL_LENGTHS)
    profiles = annotations.Profiles(*[np.zeros((len(data.clips), 16))] * 3, rates, usual)
    found = profiles.usual_rate
    for place, clip in enumerate(data.clips):
        ids = text.phonemes.ids(known[clip.id])
        deviation = found.deviation(ids, np.array(lengths[clip.id]))
        assert deviation == pytest.approx((rates[place] - rates.mean()) / rates.std(), abs=1e-3)
        slow = reference.pace(ids, 2 * np.array(lengths[clip.id]), usual)
        assert rates[place] - slow == pytest.approx(np.log(2), abs=1e-5)
    assert rates.std() > 0.01
    assert release._rate(profiles)["rate"]["usual"] == pytest.approx(usual, abs=1e-4)
    assert annotations.Profiles(*[np.zeros((2, 16))] * 3, rates).usual_rate is None


def test_acoustic_training_goes_downhill(collator: acoustic_stage.Collator, cache: Path, tmp_path: Path) -> None:
    torch.manual_seed(0)
    net = acoustic_net.AcousticNet(ACOUSTIC)
    rows = acoustic_stage.examples(collator.recordings, cache)
    assert len(rows) == len(collator.recordings.clips)
    assert all(row.durations.sum() == row.clip.frames for row in rows)
    options = loop.Options(tmp_path / "acoustic", steps=40, warmup=5, learning_rate=3e-3, decay=0.5)
    loop.train(
        net,
        acoustic_stage.batches(collator, rows, 0, 3000),
        lambda inner, batch: acoustic_net.losses(inner, batch, 0.5),
        options,
        acoustic_stage.Check(collator, rows, 0.5, options.out),
    )
    first = acoustic_net.losses(acoustic_net.AcousticNet(ACOUSTIC), collator.batch(rows, np.random.default_rng(0)), 0.5)
    last = json.loads((options.out / "log.jsonl").read_text().splitlines()[-1])
    assert last["held_out_feed_forward_mel"] < 0.8 * float(first["mel"])
    assert (options.out / "samples" / "000040.png").stat().st_size > 5000
    heard = read(options.out / "samples" / "000040.wav")
    assert 0 < heard.seconds < 4
    assert heard.samples.std() > 1e-4


def test_an_epoch_takes_clips_of_some_speakers_more_often(collator: acoustic_stage.Collator, cache: Path) -> None:
    rows = acoustic_stage.examples(collator.recordings, cache)
    favoured = rows[0].clip.speaker
    seen = acoustic_stage.batches(collator, rows, 0, 3000, repeated={favoured: 3})
    wanted = sum(3 if row.clip.speaker == favoured else 1 for row in rows)
    assert len(rows) < wanted < 3 * len(rows)
    heard = 0
    for batch in seen:
        heard += len(batch["ids"])
        if heard >= wanted:
            break
    assert heard == wanted


def test_the_critic_learns_what_was_recorded_and_only_the_critic(
    collator: acoustic_stage.Collator, cache: Path
) -> None:
    torch.manual_seed(0)
    training = critic.AcousticTraining(ACOUSTIC)
    batch = collator.batch(acoustic_stage.examples(collator.recordings, cache), np.random.default_rng(0))
    found = critic.losses(training, batch)
    found["critic"].backward(retain_graph=True)
    assert all(parameter.grad is None for parameter in training.inner.parameters())
    assert all(parameter.grad is not None for parameter in training.critic.parameters())
    training.zero_grad(set_to_none=True)
    (found["fooled"] + found["matched"]).backward()
    assert all(parameter.grad is None for parameter in training.critic.parameters())
    assert training.inner.leave.weight.grad.abs().sum() > 0
    optimizer = torch.optim.Adam(training.critic.parameters(), 1e-3)
    for _ in range(30):
        loss = critic.losses(training, batch)["critic"]
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert float(loss.detach()) < 0.5 * float(found["critic"].detach())


def test_steepness_is_the_squared_slope_of_every_score() -> None:
    mel = torch.randn(2, 8, 4)
    assert float(critic.steepness(lambda real, *_: (3.0 * real, []), mel, mel, mel)) == pytest.approx(9.0)
    assert float(critic.steepness(lambda real, *_: (0.0 * real, []), mel, mel, mel)) == 0.0


def test_an_opponent_slows_nobody_down(tmp_path: Path) -> None:
    """Each side's gradients are clipped by their own norm, however large the other side's are."""

    def moved(out: Path, opponent: bool) -> list[float]:
        net = torch.nn.ModuleDict({"model": torch.nn.Linear(1, 1), "critic": torch.nn.Linear(1, 1)})
        with torch.no_grad():
            for parameter in net.parameters():
                parameter.zero_()

        def losses(now: torch.nn.Module, batch: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
            return {"small": now["model"](batch["x"]).sum(), "large": 1e4 * now["critic"](batch["x"]).sum()}

        batches = itertools.repeat({"x": torch.ones(1, 1)})
        options = loop.Options(out, steps=1, warmup=1)
        loop.train(net, batches, losses, options, opponent=net["critic"] if opponent else None)
        return [float(parameter.grad.norm()) for parameter in net["model"].parameters()]

    assert moved(tmp_path / "apart", True) == pytest.approx([0.5**0.5] * 2, rel=1e-3)
    assert max(moved(tmp_path / "together", False)) < 1e-3


@pytest.mark.parametrize("has", [True, False])
def test_products_are_halved_only_where_the_processor_has_such(has: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.backends.mkldnn, "is_available", lambda: True)
    monkeypatch.setattr(torch.ops.mkldnn, "_is_mkldnn_bf16_supported", lambda: has)
    with loop.mixed_precision("cpu"):
        product = torch.eye(2) @ torch.eye(2)
    assert product.dtype == (torch.bfloat16 if has else torch.float32)


def test_the_vocoder_hears_some_speakers_more_often(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = recordings.Recordings(cache)
    heard: list[str] = []
    monkeypatch.setattr(data, "mel", lambda clip: heard.append(clip.speaker) or np.zeros((clip.frames, 80), np.float32))
    next(vocoder_stage.batches(data, 0, 60, 32, {"speaker1": 50}))
    assert heard.count("speaker1") > 50


def test_a_run_goes_on_from_its_checkpoint(cache: Path, tmp_path: Path) -> None:
    data = recordings.Recordings(cache)
    options = loop.Options(tmp_path / "vocoder", steps=4, warmup=2)
    loop.train(vocoder_net.VocoderNet(VOCODER), vocoder_stage.batches(data, 0, 2, 32), vocoder_stage.losses, options)
    more = replace(options, steps=6, resume=True)
    loop.train(vocoder_net.VocoderNet(VOCODER), vocoder_stage.batches(data, 1, 2, 32), vocoder_stage.losses, more)
    steps = [json.loads(line)["step"] for line in (options.out / "log.jsonl").read_text().splitlines()]
    assert steps == [4, 6]


def test_the_aligner_learns_where_sounds_are(cache: Path, tmp_path: Path) -> None:
    data = recordings.Recordings(cache)
    torch.manual_seed(0)
    rows, _ = aligner_stage.labelled(data, cache, aligner_stage.equal_shares(data, cache))
    assert rows
    net = aligner_net.AlignerNet(ALIGNER)
    net.expect(aligner_stage.frequencies(rows))
    before = aligner_stage.align_all(net.eval(), data, cache)
    options = loop.Options(tmp_path / "aligner", steps=60, warmup=5, learning_rate=3e-3, decay=0.5)
    net = loop.train(net, aligner_stage.batches(data, rows, 0, 3000), aligner_net.losses, options)
    after = aligner_stage.align_all(net, data, cache)
    assert all(after[name] > before[name] + 0.5 for name in before)
    found = annotations.durations(data, cache)
    assert all(sum(found[clip.id]) == clip.frames for clip in data.clips)
    heard = annotations.Heard(data, cache)
    assert [len(heard.of(position)) for position in range(len(data.clips))] == [clip.frames for clip in data.clips]
    classes = np.concatenate([heard.of(position) for position in range(len(data.clips))])
    assert (classes == aligner.UNCERTAIN).mean() == pytest.approx(aligner.LEFT_OUT, abs=0.01)
    assert heard.certain is not None
    assert 0.0 < heard.certain < 1.0


def test_the_aligner_goes_on_from_exported_weights(cache: Path, tmp_path: Path) -> None:
    net = shaken(aligner_net.AlignerNet(aligner_net.AlignerShape()))
    export.export_aligner(net, tmp_path / "aligner.onnx")
    earlier = {"curve": [{"step": 9, "minutes": 30.0}], "commit": "abc", "options": {"learning_rate": 0.5}}
    content = {"phoneme_table": text.phonemes.VERSION, "training": {"aligner": earlier}}
    (tmp_path / "model.json").write_text(json.dumps(content), encoding="utf-8")
    copied = shutil.copytree(cache, tmp_path / "cache")
    (copied / "durations.jsonl").unlink(missing_ok=True)
    command.train_aligner(copied, tmp_path / "out", steps=2, threads=1, rounds=1, init=tmp_path, learning_rate=1e-6)
    after = torch.load(tmp_path / "out" / "aligner" / "checkpoint.pt", weights_only=True)["average"]
    for name, value in net.state_dict().items():
        torch.testing.assert_close(after[name], value, atol=0.01, rtol=0.01)
    told = json.loads((tmp_path / "out" / "aligner" / "training.json").read_text("utf-8"))
    assert told["before"] == [{"commit": "abc", "minutes": 30.0, "learning_rate": 0.5}]
    assert told["curve"][0] == earlier["curve"][0]
    assert all(point["minutes"] >= 30.0 for point in told["curve"])


def test_a_change_of_low_rank_is_a_change_of_the_matrices() -> None:
    torch.manual_seed(0)
    block = shaken(Block(8, 3, 3))
    x, ranks = torch.randn(1, 11, 8), 0.3 * torch.randn(1, 2, 64)
    with torch.no_grad():
        said = block(x, ranks=ranks)
        into, widened, back, narrowed = ranks[0].split([8, 24, 24, 8], dim=-1)
        block.widen.weight += (into.T @ widened).T
        block.narrow.weight += (back.T @ narrowed).T
        torch.testing.assert_close(said, block(x))


def test_aligner_export_agrees(tmp_path: Path) -> None:
    net = shaken(aligner_net.AlignerNet(ALIGNER))
    export.export_aligner(net, tmp_path / "a.onnx")
    mel = torch.randn(1, 61, 80)
    with torch.no_grad():
        meant = net(mel)
    said = OnnxGraph(tmp_path / "a.onnx").run(mel=mel.numpy())["log_posteriors"]
    np.testing.assert_allclose(said, meant.numpy(), atol=0.05)
