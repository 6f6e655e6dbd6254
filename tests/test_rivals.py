"""Rivals with tiny networks that hand back what they were fed: the symbols, the refusals, the rows of the report."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from typer.testing import CliRunner

pytest.importorskip("onnx", reason="extra: export")
pytest.importorskip("rapidfuzz", reason="extra: evaluate")
import onnx

from resay import text
from resay.audio import Audio
from resay.cli import main
from resay.errors import BadFile, BadOption, BadText
from resay.evaluate import bench, command, rival_phonemes, rivals, speed
from resay.evaluate.evaluation import Evaluation, Options
from resay.evaluate.judges import Judges

if TYPE_CHECKING:
    from resay.synthesis import Engine
    from resay.voices import VoiceLibrary

ENGLISH, MANDARIN = "The kettle is hot, yes!", "你好，我去吃饭。"
INTEGERS = ("input_ids", "input", "input_lengths", "sid")
KOKORO = {"input_ids": [1, "tokens"], "style": [1, 256], "speed": [1]}
PIPER = {"input": [1, "symbols"], "input_lengths": [1], "scales": [3]}


def network(path: Path, shapes: dict[str, list[Any]], scale: float = 1.0, repeats: int = 1, noise: float = 0.0) -> Path:
    """A network whose sound is everything that it was given, one number a sample, in the order of its inputs."""
    helper = onnx.helper
    nodes = []
    for name in shapes:
        nodes += [
            helper.make_node("Cast", [name], [f"{name}_numbers"], to=onnx.TensorProto.FLOAT),
            helper.make_node("Reshape", [f"{name}_numbers", "flat"], [f"{name}_flat"]),
        ]
    nodes += [
        helper.make_node("Concat", [f"{name}_flat" for name in shapes], ["all"], axis=0),
        helper.make_node("Mul", ["all", "scale"], ["scaled"]),
        helper.make_node("Tile", ["scaled", "repeats"], ["tiled"]),
        helper.make_node("RandomNormalLike", ["tiled"], ["drawn"]),
        helper.make_node("Mul", ["drawn", "amount"], ["noise"]),
        helper.make_node("Add", ["tiled", "noise"], ["noisy"]),
        helper.make_node("Unsqueeze", ["noisy", "first"], ["waveform"]),
    ]
    kinds = {name: onnx.TensorProto.INT64 if name in INTEGERS else onnx.TensorProto.FLOAT for name in shapes}
    numbers = {"flat": np.array([-1]), "repeats": np.array([repeats]), "first": np.array([0])}
    factors = {"scale": np.array(scale, np.float32), "amount": np.array(noise, np.float32)}
    graph = helper.make_graph(
        nodes,
        "echo",
        [helper.make_tensor_value_info(name, kinds[name], shape) for name, shape in shapes.items()],
        [helper.make_tensor_value_info("waveform", onnx.TensorProto.FLOAT, [1, None])],
        [onnx.numpy_helper.from_array(value, name) for name, value in (numbers | factors).items()],
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10), path)
    return path


@pytest.fixture
def kokoro(tmp_path: Path) -> Path:
    """A folder in which every style is filled with the number of its row, and a thousand more for each voice."""
    folder = tmp_path / "kokoro"
    network(folder / "model.onnx", KOKORO)
    rows = np.repeat(np.arange(510, dtype="<f4")[:, np.newaxis], 256, axis=1)
    (folder / "voices").mkdir()
    names = [name for names in rivals.KOKORO_VOICES.values() for name in names]
    for place, name in enumerate(names):
        (folder / "voices" / f"{name}.bin").write_bytes((rows + 1000 * place).tobytes())
    return folder


def settings(**changes: Any) -> dict[str, Any]:
    symbols = ["_", "^", "$", *sorted(rival_phonemes.symbols(rival_phonemes.PIPER))]
    return {
        "audio": {"sample_rate": 22_050},
        "espeak": {"voice": "en-us"},
        "inference": {"noise_scale": 0.5, "length_scale": 1, "noise_w": 0.75},
        "phoneme_id_map": {symbol: [number] for number, symbol in enumerate(symbols)},
        **changes,
    }


@pytest.fixture
def piper(tmp_path: Path) -> Path:
    path = tmp_path / "en_US-nobody-low.onnx"
    Path(f"{path}.json").write_text(json.dumps(settings()), encoding="utf-8")
    return network(path, PIPER)


def one(option: str, path: Path) -> rivals.Rival:
    (rival,) = rivals.opened([f"{option}={path}"], 1, 42)
    return rival


def said(rival: rivals.Rival, words: str, language: str, voice: str) -> np.ndarray:
    return Audio.join(rival.say(words, language, voice)).samples


def spelt(words: str, language: str, alphabet: rival_phonemes.Alphabet) -> str:
    (sentence,) = text.sentences(words, language)
    return rival_phonemes.spell(sentence, alphabet)


def test_english_is_spelt_as_each_was_trained() -> None:
    assert spelt(ENGLISH, "en", rival_phonemes.KOKORO) == "ðə kˈɛTəl ɪz hˈɑt, jˈɛs!"
    assert spelt(ENGLISH, "en", rival_phonemes.PIPER) == "ðə kˈɛɾəl ɪz hˈɑːt, jˈɛs!"
    assert spelt("A doorbell — or a button?", "en", rival_phonemes.KOKORO) == "ə dˈɔɹbˌɛl— ɔɹ ə bˈʌtən?"
    assert spelt("A doorbell — or a button?", "en", rival_phonemes.PIPER) == "ə dˈɔːɹbˌɛl, ɔːɹ ə bˈʌtən?"


def test_mandarin_tones_stand_behind_the_vowel() -> None:
    assert spelt(MANDARIN, "zh", rival_phonemes.KOKORO) == "ni↗xau↓, wo↓ ʨʰy↘ ꭧʰɨ→fa↘n."
    assert spelt("儿子爬上山坡。", "zh", rival_phonemes.KOKORO).replace(" ", "") == "ɚ↗ʦɨpʰa↗ʂa↘ŋʂa→npʰwo→."


@pytest.mark.parametrize(("words", "language"), [(ENGLISH, "en"), (MANDARIN, "zh"), ("Well, (so) 你好 — OK.", "en")])
def test_every_phoneme_knows_what_was_written_for_it(words: str, language: str) -> None:
    (sentence,) = text.sentences(words, language)
    parts = rival_phonemes.spelled(sentence, rival_phonemes.KOKORO)
    assert len(parts) == len(sentence.phonemes)
    assert all(parts[1:-1])
    assert (parts[0], parts[-1]) == ("", "")
    assert "".join(parts) == rival_phonemes.spell(sentence, rival_phonemes.KOKORO)
    assert "  " not in "".join(parts)


def test_every_phoneme_can_be_written_for_kokoro() -> None:
    for symbol in text.phonemes.SYMBOLS[4:]:
        sentence = text.Sentence("", "", (), ("^", symbol, "$"), (0, 0))
        assert set(rival_phonemes.spell(sentence, rival_phonemes.KOKORO)) <= set(rival_phonemes.KOKORO_IDS)


def test_piper_is_given_no_mandarin() -> None:
    with pytest.raises(BadText, match="not English"):
        spelt(MANDARIN, "zh", rival_phonemes.PIPER)


def test_kokoro_gets_tokens_and_the_style_of_their_count(kokoro: Path) -> None:
    found = said(one("kokoro", kokoro), ENGLISH, "en", "am_michael")
    tokens = [81, 83, 16, 53, 156, 86, 36, 83, 54, 16, 102, 68, 16, 50, 156, 69, 62, 3, 16, 52, 156, 86, 61, 5]
    assert found[: len(tokens) + 2].tolist() == [0, *tokens, 0]
    assert found[len(tokens) + 2 :].tolist() == 256 * [3000 + len(tokens)] + [1]


def test_kokoro_gets_mandarin_tokens(kokoro: Path) -> None:
    found = said(one("kokoro", kokoro), MANDARIN, "zh", "zf_xiaobei")
    tokens = [56, 51, 172, 66, 43, 63, 169, 3, 16, 65, 57, 169, 16, 21, 162, 67, 173, 16]
    tokens += [23, 162, 101, 171, 48, 43, 173, 56, 4]
    assert found[: len(tokens) + 3].tolist() == [0, *tokens, 0, len(tokens)]


def test_piper_gets_its_own_numbers_with_pads_between(piper: Path) -> None:
    rival = one("piper", piper)
    numbers = settings()["phoneme_id_map"]
    symbols = [numbers[symbol][0] for symbol in "^ðə kˈɛɾəl ɪz hˈɑːt, jˈɛs!"]
    fed = [number for symbol in symbols for number in (symbol, 0)] + [2]
    found = said(rival, ENGLISH, "en", "en_US-nobody-low")
    assert found.tolist() == [*fed, len(fed), 0.5, 1, 0.75]
    assert next(iter(rival.say(ENGLISH, "en", ""))).sample_rate == 22_050


def test_a_voice_of_many_speakers_is_the_first_of_them(piper: Path) -> None:
    network(piper, {**PIPER, "sid": [1]})
    assert said(one("piper", piper), ENGLISH, "en", "")[-1] == 0


def test_a_networks_own_noise_follows_the_seed(piper: Path) -> None:
    network(piper, PIPER, noise=1.0)
    sounds = []
    for seed in (42, 42, 43):
        (rival,) = rivals.opened([f"piper={piper}"], 1, seed)
        sounds.append(said(rival, ENGLISH, "en", ""))
    np.testing.assert_array_equal(sounds[0], sounds[1])
    assert not np.allclose(sounds[0], sounds[2], atol=0.1)


def test_a_wrong_option_is_refused(kokoro: Path) -> None:
    for option in (f"espeak={kokoro}", "kokoro", "kokoro="):
        with pytest.raises(BadOption, match=r"kokoro=DIR or piper=FILE\.onnx"):
            rivals.opened([option], 1, 42)
    with pytest.raises(BadOption, match="there already"):
        rivals.opened(2 * [f"kokoro={kokoro}"], 1, 42)


def test_kokoros_files_are_looked_at(kokoro: Path) -> None:
    voice = kokoro / "voices" / "af_heart.bin"
    content = voice.read_bytes()
    voice.write_bytes(content[:-4])
    with pytest.raises(BadFile, match=r"af_heart\.bin: 522236 bytes are no voice"):
        one("kokoro", kokoro)
    voice.unlink()
    with pytest.raises(BadFile, match="cannot be read"):
        one("kokoro", kokoro)
    voice.write_bytes(content)
    network(kokoro / "model.onnx", {"tokens": [1, "tokens"], "style": [1, 256], "speed": [1]})
    with pytest.raises(BadFile, match="takes tokens, style, speed, not input_ids, style, speed"):
        one("kokoro", kokoro)
    network(kokoro / "model.onnx", {**KOKORO, "style": [1, 128]})
    with pytest.raises(BadFile, match="does not run"):
        said(one("kokoro", kokoro), ENGLISH, "en", "af_heart")
    (kokoro / "model.onnx").write_bytes(b"no network")
    with pytest.raises(BadFile, match="not a network"):
        one("kokoro", kokoro)
    (kokoro / "model.onnx").unlink()
    with pytest.raises(BadFile, match="no such network"):
        one("kokoro", kokoro)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("{", "not the settings"),
        ("[]", "not the settings"),
        (json.dumps(settings(inference={})), "noise_scale"),
        (json.dumps(settings(espeak={"voice": "de"})), "reads de"),
        (json.dumps(settings(phoneme_id_map={"^": [1], "$": [2], "_": [0]})), "lacks"),
    ],
)
def test_pipers_settings_are_looked_at(piper: Path, content: str, reason: str) -> None:
    Path(f"{piper}.json").write_text(content, encoding="utf-8")
    with pytest.raises(BadFile, match=reason):
        one("piper", piper)


def test_a_language_that_the_rival_has_not_is_refused(piper: Path) -> None:
    with pytest.raises(BadOption, match="speaks en only"):
        Evaluation(Judges(), Options(languages=("zh",))).rival(one("piper", piper))


def test_what_is_wrong_is_one_line_and_exit_code_two(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert main(["evaluate", "--no-speak", "--rival", f"piper={tmp_path / 'nothing.onnx'}"]) == 2
    (line,) = capfd.readouterr().err.splitlines()
    assert "nothing.onnx.json" in line


@pytest.fixture
def engine(fake_engine: Engine, monkeypatch: pytest.MonkeyPatch) -> Engine:
    """Evaluation and benchmark get the engine that needs no weights."""
    for module in (command, bench):
        monkeypatch.setattr(module, "Engine", lambda models, threads, *_: fake_engine)
    monkeypatch.setattr(command.speed, "cold", lambda *_: speed.Cold(1.25, 1.5, 2.0, 300_000_000, 5))
    return fake_engine


def test_the_report_has_a_row_for_each_rival_and_its_speed(
    engine: Engine, library: VoiceLibrary, kokoro: Path, piper: Path, tmp_path: Path
) -> None:
    network(kokoro / "model.onnx", KOKORO, scale=1e-4, repeats=40)
    network(piper, PIPER, scale=1e-3, repeats=40)
    page = tmp_path / "quality.md"
    options = ["--rival", f"kokoro={kokoro}", "--rival", f"piper={piper}", "--sentences", "1", "--threads", "1"]
    result = CliRunner().invoke(command.app, [*options, "--write", str(page), "--json"], catch_exceptions=False)
    found = json.loads(result.stdout)
    rows = {(row["system"], row["language"]): row["speakers"] for row in found["rows"]}
    ours = {("resay, default voices", "zh"): 1, ("resay, default voices", "en"): 1}
    both = {("Kokoro-82M v1.0", "zh"): 2, ("Kokoro-82M v1.0", "en"): 2}
    assert rows == {**ours, **both, ("Piper, en_US-nobody-low", "en"): 1}
    said_by = {one["system"]: (one["threads"], one["sentences"]) for one in found["speed"]}
    assert said_by == {"resay": (1, 30), "Kokoro-82M v1.0": (1, 30), "Piper, en_US-nobody-low": (1, 15)}
    written = page.read_text(encoding="utf-8")
    assert "--rival kokoro=DIR --rival piper=FILE.onnx --write" in written
    assert "- Piper, en_US-nobody-low: en_US-nobody-low; " in written
    assert "| system | threads | real time factor |" in written
    assert "| resay | 1 | " in written
    assert str(tmp_path) not in written


def test_rivals_are_judged_without_us(piper: Path) -> None:
    network(piper, PIPER, scale=1e-3, repeats=40)
    options = ["--no-speak", "--rival", f"piper={piper}", "--sentences", "1", "--no-timing"]
    shown = CliRunner().invoke(command.app, options, catch_exceptions=False).stdout
    assert "| Piper, en_US-nobody-low | English | 1 | 1 |" in shown
    assert "## Speed" not in shown


def test_without_rivals_the_speed_table_is_as_it_was(engine: Engine, library: VoiceLibrary) -> None:
    shown = CliRunner().invoke(command.app, ["--sentences", "1"], catch_exceptions=False).stdout
    assert "| threads | real time factor |" in shown
    assert "ival" not in shown
