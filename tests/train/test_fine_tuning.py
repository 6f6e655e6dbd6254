"""Tuning: the same recordings and seed give the same file, however often the run is killed; nothing else changes."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("onnx")

from resay import audio, text, voices  # noqa: E402
from resay.adapter import Adapter  # noqa: E402
from resay.cli import main  # noqa: E402
from resay.errors import BadRequest  # noqa: E402
from resay.quality import finding  # noqa: E402
from resay.synthesis import SHIPPED, Engine, Request  # noqa: E402
from resay.train import (  # noqa: E402
    acoustic_net,
    aligner_net,
    export,
    fine_tuning,
    own_recordings,
    prosody_net,
    reference_net,
    vocoder_net,
)
from resay.tuning import command  # noqa: E402

from .conftest import chirp  # noqa: E402
from .test_networks import shaken  # noqa: E402

TEXTS = ("the cat sat down.", "we went home.", "a small red boat.", "今天天气很好。", "我们去公园。", "good morning.")


@pytest.fixture(scope="session")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Weights of tiny networks that know nothing, in the form that ships."""
    folder = tmp_path_factory.mktemp("models")
    acoustic = acoustic_net.AcousticShape(
        width=16,
        encoder_layers=1,
        decoder_width=16,
        decoder_layers=2,
        postnet_width=8,
        postnet_layers=1,
        flow_width=8,
        flow_layers=1,
        flow_steps=1,
        posterior_layers=1,
        duration_filter_channels=8,
        condition=8,
    )
    prosody = prosody_net.ProsodyShape(width=16, text_layers=1, layers=1, heads=2, durations=24, pitches=5, energies=4)
    aligner, reference = aligner_net.AlignerShape(width=16, layers=1), reference_net.ReferenceShape(width=16, layers=1)
    vocoder = vocoder_net.VocoderShape(width=16, layers=1)
    export.export_acoustic(shaken(acoustic_net.AcousticNet(acoustic)), folder)
    export.export_prosody(shaken(prosody_net.ProsodyNet(prosody)), folder)
    export.export_aligner(shaken(aligner_net.AlignerNet(aligner)), folder / "aligner.onnx")
    export.export_reference(shaken(reference_net.ReferenceNet(reference)), folder / "reference.onnx")
    export.export_vocoder(shaken(vocoder_net.VocoderNet(vocoder)), folder / "vocoder.onnx")
    for name in ("semantic.onnx", "upper_band.onnx"):
        shutil.copy(SHIPPED / name, folder)
    content = {
        "phoneme_table": text.phonemes.VERSION,
        "style_mean": [0.0] * 16,
        "style_spread": [1.0] * 16,
        "rate_weights": [1.0] + [0.0] * 15,
        "codes": {
            "durations": list(range(1, 25)),
            "pitch": [[0.1 * i] * 3 for i in range(5)],
            "energy": [-3, -2, -1, 0],
        },
        "guides": {language: [[192**-0.5] * 192] for language in ("zh", "en")},
        "cache": [1, 2, 1, 2, 0, 8],
        "latent_strength": 0.0,
    }
    (folder / "model.json").write_text(json.dumps(content), encoding="utf-8")
    return folder


@pytest.fixture(scope="session")
def recordings(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A speaker's folder: six sentences of two seconds."""
    folder = tmp_path_factory.mktemp("recordings")
    for index, words in enumerate(TEXTS):
        path = folder / f"{index}.wav"
        audio.write(path, chirp(2.0 + 0.2 * index, 150, index))
        path.with_suffix(".txt").write_text(words, encoding="utf-8")
    return folder


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A few seconds are enough here."""
    monkeypatch.setattr(own_recordings, "SHORTEST", 5.0)
    monkeypatch.setattr(own_recordings, "SHORTEST_SENTENCE", 10)


@pytest.fixture
def tune(models: Path, recordings: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    """Runs `resay tune Eve`; gives exit code, what was told, and the voice's file."""

    def command(*options: str, folder: str = "voices") -> tuple[int, str, Path]:
        words = ["tune", "Eve", str(recordings), "--models", str(models), "--voices", str(tmp_path / folder)]
        code = main([*words, "--epochs", "3", "--consent", "own", "--force", *options])
        captured = capsys.readouterr()
        return code, captured.out + captured.err, tmp_path / folder / "Eve.voice"

    return command


def test_the_same_recordings_give_the_same_file(tune, models: Path) -> None:
    code, told, first = tune("--json")
    assert code == 0, told
    assert set(json.loads(told)["figures"]) == {"likeness, own encoder", "distance of durations, %"}
    code, told, second = tune(folder="again")
    assert code == 0, told
    assert first.read_bytes() == second.read_bytes()
    assert [path.name for path in first.parent.rglob("*") if path.is_file()] == ["Eve.voice"]
    _, _, other = tune("--seed", "7", folder="other")
    assert other.read_bytes() != first.read_bytes()
    voice = voices.load(first)
    assert voice.profile.adapter is not None
    assert voice.tuning["seconds"] > 5
    assert any(np.abs(array).max() > 0 for array in voice.profile.adapter.arrays.values())
    # It speaks with no graph but those of every other voice, and differently from the untuned voice.
    engine = Engine(models, threads=1)
    plain = replace(voice, profile=replace(voice.profile, adapter=None))
    sounds = [engine.say(Request("Good morning."), one).audio.digest() for one in (voice, voice, plain)]
    assert sounds[0] == sounds[1] != sounds[2]


def test_what_spoils_timbre_is_refused_or_recorded(
    models: Path, recordings: Path, tmp_path: Path, capsys, monkeypatch: pytest.MonkeyPatch
) -> None:
    def humming(files, texts, checks):
        del texts, checks
        return [], [finding("music", "refusal", "music", "hum", "no music", (0.0, 1.0)), *advice], None

    advice = [finding("no_questions", "advice", "no question", "flat", "ask")]
    monkeypatch.setattr(command, "gate", humming)
    words = ["tune", "Eve", str(recordings), "--models", str(models), "--voices", str(tmp_path), "--consent", "own"]
    assert main([*words, "--epochs", "1"]) == 2
    told = capsys.readouterr().err
    assert "music" in told
    assert "--force" in told
    assert told.count("\n") == 1
    assert list(tmp_path.rglob("*.voice")) == []
    assert main([*words, "--epochs", "1", "--force"]) == 0, capsys.readouterr().err
    assert voices.load(tmp_path / "Eve.voice").tuning["forced"] == ["music"]


class Killed(BaseException):
    """What a kill is to the process: nothing after it happens."""


def test_a_killed_run_goes_on_to_the_same_file(tune, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fine_tuning, "SAVED_EVERY", 1)
    take, taken, alive = fine_tuning.Run.take, [], [99]

    def until_killed(self, batch):
        taken.append(self.step)
        alive[0] -= 1
        if alive[0] < 0:
            raise Killed
        return take(self, batch)

    monkeypatch.setattr(fine_tuning.Run, "take", until_killed)
    code, told, whole = tune(folder="whole")
    assert code == 0, told
    steps = len(taken)
    # Three times in one run: in the first model, in the second, and at its last step.
    for moment in (1, steps // 2, steps // 2 - 2):
        alive[0] = moment
        with pytest.raises(Killed):
            tune()
    before = len(taken)
    alive[0] = 99
    code, told, resumed = tune()
    assert code == 0, told
    assert taken[before] == taken[before - 1]  # the step that was killed, and none before it, is taken again
    assert resumed.read_bytes() == whole.read_bytes()


def test_ranks_begin_without_a_change_and_only_where_the_weights_take_them(models: Path, tune) -> None:
    net = shaken(
        acoustic_net.AcousticNet(export.shape_of(models / "acoustic_encoder.onnx", acoustic_net.AcousticShape))
    )
    tuned = fine_tuning.TunedAcoustic(net, fine_tuning.Options(rank=3)).eval()
    ranks = tuned.own.arrays[fine_tuning.RANKS]
    assert ranks.shape == (1, 2, 3, 8 * net.shape.decoder_width)
    assert ranks.abs().max() > 0
    x, condition = torch.randn(1, 6, net.shape.width), torch.randn(1, net.shape.condition)
    with torch.no_grad():
        torch.testing.assert_close(tuned.decode(x, None, condition)[1], net.decode(x, None, condition)[1])
    plain = fine_tuning.TunedAcoustic(net, fine_tuning.Options(rank=0))
    assert fine_tuning.RANKS not in plain.own.arrays
    code, told, path = tune()
    assert code == 0, told
    adapter = voices.load(path).profile.adapter
    assert adapter is not None
    assert adapter.arrays[fine_tuning.RANKS].shape == (2, fine_tuning.PROFILES["quick"].rank, 128)


def test_a_weakened_adapter_changes_so_much_less() -> None:
    random = np.random.Generator(np.random.Philox(0))
    ranks = random.standard_normal((2, 3, 8 * 4)).astype(np.float32)  # decoder of 4, inner width of 12
    ones = np.ones((2, 80), np.float32)
    arrays = {fine_tuning.RANKS: ranks, "acoustic_decoder.tone": ones, "prosody_text.offset": ones}
    half = fine_tuning.weakened(arrays, 4, fine_tuning.Options(strength=0.5, prosody_strength=0.25))
    np.testing.assert_array_equal(half["acoustic_decoder.tone"], 0.5 * ones)
    np.testing.assert_array_equal(half["prosody_text.offset"], 0.25 * ones)

    def changes(ranks: np.ndarray) -> list[np.ndarray]:
        into, widened, back, narrowed = np.split(ranks, [4, 16, 28], axis=-1)
        return [read.transpose(0, 2, 1) @ write for read, write in ((into, widened), (back, narrowed))]

    for whole, weak in zip(changes(ranks), changes(half[fine_tuning.RANKS]), strict=True):
        np.testing.assert_allclose(weak, 0.5 * whole, rtol=1e-5)


def test_layers_that_are_left_out_stay_zero(tune) -> None:
    _, told, path = tune("--layers", "decoder", "--dropout", "0.3", "--duration-weight", "0.5")
    arrays = voices.load(path).profile.adapter.arrays
    assert np.abs(arrays["acoustic_decoder.adapter"]).max() > 0, told
    assert not arrays["acoustic_encoder.adapter"].any()
    assert "prosody_text.adapter" not in arrays


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        (["--layers", "decoder,spine"], "--layers"),
        (["--duration-weight", "0.2"], "duration-weight"),
        (["--text", "hello"], "leave out --text"),
    ],
)
def test_bad_options_are_one_line(tune, options: list[str], problem: str) -> None:
    code, told, path = tune(*options)
    assert code == 2
    assert problem in told
    assert told.strip().count("\n") == 0  # a progress bar may have left an empty line before it
    assert not path.parent.exists() or not list(path.parent.rglob("*.*"))


def test_without_consent_nothing_is_heard(models: Path, recordings: Path, tmp_path: Path, capsys) -> None:
    words = ["tune", "Eve", str(recordings), "--models", str(models), "--voices", str(tmp_path)]
    assert main(words) == 3
    assert "consent" in capsys.readouterr().err
    agreed = tmp_path / "consent.json"
    agreed.write_text(json.dumps({"speaker": "Eve", "uses": ["speak"], "until": None, "statement": "Speak."}))
    assert main([*words, "--consent", str(agreed)]) == 3
    assert "tune" in capsys.readouterr().err


def test_too_little_and_unreadable_recordings_are_named(models: Path, recordings: Path, tmp_path: Path, capsys) -> None:
    folder = tmp_path / "few"
    audio.write(folder / "one.wav", chirp(2.0, 150, 0))
    words = ["tune", "Eve", str(folder), "--models", str(models), "--voices", str(tmp_path), "--consent", "own"]
    assert main(words) == 2
    assert "one.txt" in capsys.readouterr().err
    (folder / "one.txt").write_text("the cat sat down.")
    assert main(words) == 2
    assert "a minute" in capsys.readouterr().err


def test_one_long_file_is_cut_at_its_sentences(models: Path, tmp_path: Path) -> None:
    path = tmp_path / "long.wav"
    audio.write(path, chirp(12.0, 150, 3))
    own = own_recordings.read(own_recordings.sources(path, " ".join(TEXTS[:3])), Engine(models, threads=1))
    assert [clip.text for clip in own.clips] == [words.strip() for words in TEXTS[:3]]
    assert sum(clip.frames for clip in own.clips) == len(audio.log_mel(audio.read(path).samples))
    assert all(example.durations.sum() == example.clip.frames for example in own.examples)


def test_a_voice_of_other_weights_is_refused(models: Path, voice) -> None:
    arrays = {"acoustic_encoder.offset": np.ones(8, np.float32)}
    tuned = replace(voice, profile=replace(voice.profile, adapter=Adapter("sha256:other", arrays)))
    with pytest.raises(BadRequest, match="other weights"):
        Engine(models, threads=1).stream(Request("Hi."), tuned)
