"""Training the semantic encoder: what it is asked, that it learns, tunes, shrinks, follows, exports. Needs torch."""

from __future__ import annotations

import json
import random
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")
onnx = pytest.importorskip("onnx")
tokenizers = pytest.importorskip("tokenizers")

from typer.testing import CliRunner  # noqa: E402

from resay import text  # noqa: E402
from resay.errors import BadFile  # noqa: E402
from resay.semantic import MASK, PAUSE, SEMANTIC, SemanticEncoder  # noqa: E402
from resay.train import (  # noqa: E402
    annotations,
    command,
    export,
    foreign,
    recordings,
    semantic_command,
    semantic_net,
    semantic_stage,
    semantic_text,
    vectors,
)
from resay.train.semantic_net import IGNORED  # noqa: E402
from resay.train.semantic_text import MARK  # noqa: E402

PLAIN = (
    "银行门口有一行字。",
    "他在重庆，她在银行工作！",
    "The small boat had come, and we went home.",
    "What's the good of home?",
    "行长来了。",
)
GOLD = (("他去银▁行▁。", "hang2"), ("你能▁行▁吗？", "xing2"), ("这▁行▁，不难", "xing2"), ("一▁行▁字", "hang2"))
LINE = "银行长，他说yes。"


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path, Path]:
    """Text, marked sentences, labels."""
    folder = tmp_path_factory.mktemp("text")
    lines = [f"{line}{number}" for number in range(4) for line in PLAIN]
    lines = [line.translate(dict(zip(map(ord, "0123"), ("", "的", "了", "好"), strict=True))) for line in lines]
    (folder / "plain.txt").write_text("\n".join([*lines, "Room 12 is dropped."]) + "\n", encoding="utf-8")
    (folder / "marked.sent").write_text("".join(f"{line}\n" for line, _ in GOLD * 3), encoding="utf-8")
    (folder / "marked.lb").write_text("".join(f"{label}\n" for _, label in GOLD * 3), encoding="utf-8")
    return folder / "plain.txt", folder / "marked.sent", folder / "marked.lb"


@pytest.fixture(scope="module")
def data(sources: tuple[Path, Path, Path]) -> semantic_stage.Material:
    plain, sentences, labels = sources
    material = semantic_stage.material([plain], sentences, labels)
    # So few lines have hardly any that are held out.
    return replace(material, held_out=material.held_out or material.lines[:2])


def small(data: semantic_stage.Material) -> semantic_net.SemanticShape:
    shape = semantic_net.SemanticShape(len(data.subwords), len(data.readings.numbers))
    return replace(shape, width=32, embedding=16, layers=2, heads=2, query=16)


def batch(data: semantic_stage.Material, causal: bool) -> dict[str, torch.Tensor]:
    order = random.Random(1)
    rows = [semantic_stage._row(data.subwords, line, None, order) for line in data.gold[:6]]
    return semantic_stage.batch(data.subwords, rows, [causal] * len(rows), order)


def test_lines_with_digits_are_left_out(sources) -> None:
    assert not any("Room" in line for line in semantic_text.lines(sources[0]))


def test_a_line_is_labelled_by_hand_by_phrase_and_by_pause(data: semantic_stage.Material) -> None:
    line = semantic_text.analysed(LINE, data.subwords, data.readings, {1: "xing2"})
    number = data.readings.number
    assert line.readings[1] == number("行", "xing2") != IGNORED
    assert semantic_text.analysed("银行", data.subwords, data.readings).readings[1] == number("行", "hang2")
    assert [kind for kind in line.kind if kind] == [semantic_text.PAUSE_KINDS[","], semantic_text.PAUSE_KINDS["."]]
    assert len(line.ids) == len(line.readings) == len(line.tags) == len(line.kind)


def test_held_out_sentences_are_not_trained_on(sources) -> None:
    plain, sentences, labels = sources
    line = next(
        f"第{'好' * count}{MARK}行{MARK}" for count in range(99) if _held_out(f"第{'好' * count}{MARK}行{MARK}")
    )
    sentences, labels = sentences.with_name("held.sent"), labels.with_name("held.lb")
    sentences.write_text(line + "\n", encoding="utf-8")
    labels.write_text("hang2\n", encoding="utf-8")
    with plain.open(encoding="utf-8") as file:
        text_with = plain.with_suffix(".with")
        text_with.write_text(file.read() + line.replace(MARK, "") + "\n", encoding="utf-8")
    found = semantic_stage.material([text_with], sentences, labels)
    assert [row[1:3] for row in found.held_out_gold] == [("行", "hang2")]
    assert found.counts["plain.with"] == len(list(semantic_text.lines(plain)))


def _held_out(line: str) -> bool:
    return semantic_stage.polyphones.is_held_out(line)


def test_rows_read_both_ways_have_words_hidden_and_causal_ones_the_next(data: semantic_stage.Material) -> None:
    both, back = batch(data, False), batch(data, True)
    hidden = both["words"] != IGNORED
    assert hidden.any()
    assert (both["whole"][hidden] == both["words"][hidden]).all()
    mask = data.subwords.number(MASK)
    assert (both["readings"][both["ids"] == mask] == IGNORED).all()
    assert (
        back["words"][:, :-1][back["words"][:, :-1] != IGNORED] == back["ids"][:, 1:][back["words"][:, :-1] != IGNORED]
    ).all()
    assert (back["tags"] == IGNORED).all()


def test_pauses_left_out_are_to_be_guessed(data: semantic_stage.Material) -> None:
    line = semantic_text.analysed("他来，她走。", data.subwords, data.readings)
    rows = [semantic_stage._row(data.subwords, line, None, random.Random(seed)) for seed in range(40)]
    lengths = {len(row.ids) for row in rows}
    assert lengths == {len(line.ids) + 2, len(line.ids)}
    shortest = next(row for row in rows if len(row.ids) == len(line.ids))
    assert [kind for kind in shortest.kind if kind] == [semantic_text.PAUSE_KINDS[","], semantic_text.PAUSE_KINDS["."]]
    assert any(row.ids.count(data.subwords.number(PAUSE)) == 2 for row in rows)


def test_nobody_sees_what_comes_later_in_a_causal_row(data: semantic_stage.Material) -> None:
    torch.manual_seed(0)
    encoder = semantic_net.SemanticEncoder(small(data)).eval()
    ids = torch.randint(6, len(data.subwords), (2, 9))
    changed = ids.clone()
    changed[:, -1] = 5
    seen = semantic_net.allowed(torch.tensor([9, 9]), 9, torch.tensor([True, False]))
    with torch.no_grad():
        moved = (encoder.states(ids, seen)[-1] - encoder.states(changed, seen)[-1]).abs().amax(dim=2) > 1e-6
    assert not moved[0, :-1].any()
    assert moved[1, :-1].all()


def test_training_goes_downhill(data: semantic_stage.Material) -> None:
    torch.manual_seed(0)
    net = semantic_net.SemanticNet(small(data))
    fixed = [batch(data, False), batch(data, True)]
    optimizer = torch.optim.AdamW(net.parameters(), 5e-3)
    totals = []
    for step in range(40):
        total = sum(semantic_net.losses(net, fixed[step % 2]).values())
        optimizer.zero_grad()
        total.backward()
        optimizer.step()
        totals.append(float(total.detach()))
    assert sum(totals[-4:]) < 0.7 * sum(totals[:4])
    assert net.encoder.mix.grad.abs().max() > 0


def test_standardised_vectors_are_told_from_as_before(data: semantic_stage.Material) -> None:
    torch.manual_seed(0)
    net = semantic_net.SemanticNet(small(data)).eval()
    before = net.tag(semantic_stage.vectors(net, data))
    net.standardise(semantic_stage.vectors(net, data))
    after = semantic_stage.vectors(net, data)
    assert torch.allclose(after.mean(dim=0), torch.zeros(SEMANTIC), atol=1e-3)
    assert torch.allclose(after.std(dim=0), torch.ones(SEMANTIC), atol=1e-2)
    assert torch.allclose(net.tag(after), before, atol=1e-3)


def test_the_start_of_the_embedding_puts_like_words_together(data: semantic_stage.Material) -> None:
    found = semantic_stage.embedding(data, 8)
    assert found.shape == (len(data.subwords), 8)
    assert float(found.std()) == pytest.approx(0.5, abs=0.01)
    assert torch.equal(found, semantic_stage.embedding(data, 8))


@pytest.fixture(scope="module")
def exported(data: semantic_stage.Material, tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("exported") / "semantic.onnx"
    net = semantic_net.SemanticNet(small(data)).eval()
    with torch.no_grad():
        for parameter in net.parameters():  # equal ones would be exported as one
            parameter.add_(0.05 * torch.randn_like(parameter))
    export.export_semantic(net, path, "\n".join(data.subwords.pieces), data.readings.text())
    return path


def test_the_exported_encoder_agrees_with_torch(data: semantic_stage.Material, exported: Path) -> None:
    encoder = SemanticEncoder.open(exported)
    net = semantic_net.SemanticNet(small(data)).eval()
    assert export.restore(net.encoder, exported) == []
    sentence = text.sentence("他在银行，yes。")
    with torch.no_grad():
        seen = semantic_net.SemanticEncoder.forward(net.encoder, torch.from_numpy(_ids(encoder, sentence))[None])[0][0]
    mask = semantic_stage_mask(encoder, sentence)
    np.testing.assert_allclose(encoder.vectors(sentence), mask @ seen.numpy(), atol=2e-4)


def _ids(encoder: SemanticEncoder, sentence: text.Sentence) -> np.ndarray:
    from resay import semantic

    return semantic.spans(sentence, encoder.subwords).ids


def semantic_stage_mask(encoder: SemanticEncoder, sentence: text.Sentence) -> np.ndarray:
    from resay import semantic

    return semantic.spans(sentence, encoder.subwords).mask(len(sentence.phonemes))


def test_chances_are_what_the_network_is_asked_in_training(data: semantic_stage.Material, exported: Path) -> None:
    encoder = SemanticEncoder.open(exported)
    net = semantic_net.SemanticNet(small(data)).eval()
    export.restore(net.encoder, exported)
    line = semantic_text.analysed(LINE, data.subwords, data.readings)
    scores = torch.tensor(semantic_stage.network_readings(net, data, [line], [1])[0])
    numbers = [data.readings.number("行", reading) for reading in encoder.readings["行"]]
    expected = torch.log_softmax(scores[numbers], dim=0)
    np.testing.assert_allclose(list(encoder.chances(LINE, 1).values()), expected.numpy(), atol=1e-3)


def test_a_smaller_network_follows_a_larger_one(data: semantic_stage.Material) -> None:
    torch.manual_seed(0)
    teacher, net = semantic_net.SemanticNet(small(data)), semantic_net.SemanticNet(replace(small(data), layers=1))
    follow = semantic_net.distilled(teacher)
    fixed = batch(data, False)
    optimizer = torch.optim.AdamW(net.parameters(), 5e-3)
    away = []
    for _ in range(30):
        found = follow(net, fixed)
        optimizer.zero_grad()
        (found["vectors"] + found["taught_readings"]).backward()
        optimizer.step()
        away.append(float(found["vectors"].detach()))
    assert away[-1] < 0.5 * away[0]
    assert all(parameter.grad is None for parameter in teacher.parameters())


@pytest.fixture(scope="module")
def foreign_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A random encoder in the form of Hugging Face's exports: an embedding of single characters."""
    folder = tmp_path_factory.mktemp("foreign")
    characters = sorted(set("".join(PLAIN) + "".join(line for line, _ in GOLD) + "abcdefghijklmnopqrstuvwxyz一二"))
    words = {character: number for number, character in enumerate(["[UNK]", *characters])}
    tokenizer = tokenizers.Tokenizer(tokenizers.models.WordLevel(words, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = tokenizers.pre_tokenizers.Split("", "isolated")
    tokenizer.save(str(folder / "tokenizer.json"))
    table = np.random.default_rng(0).standard_normal((len(words), 24)).astype(np.float32)
    ids = onnx.helper.make_tensor_value_info("input_ids", onnx.TensorProto.INT64, ["batch", "tokens"])
    states = onnx.helper.make_tensor_value_info("last_hidden_state", onnx.TensorProto.FLOAT, ["batch", "tokens", 24])
    graph = onnx.helper.make_graph(
        [onnx.helper.make_node("Gather", ["table", "input_ids"], ["last_hidden_state"])],
        "encoder",
        [ids],
        [states],
        [onnx.numpy_helper.from_array(table, "table")],
    )
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 18)], ir_version=10)
    onnx.save(model, str(folder / "model.onnx"))
    return folder


def test_foreign_states_are_those_of_the_same_word(data: semantic_stage.Material, foreign_folder: Path) -> None:
    encoder = foreign.ForeignEncoder(foreign_folder)
    fixed = batch(data, False)
    states, known = foreign.states_of(encoder, data.subwords, fixed)
    assert states.shape == (*fixed["ids"].shape, 24)
    place = next((row, at) for row, at in zip(*torch.where(known), strict=True))
    character = data.subwords.pieces[int(fixed["whole"][place])]
    expected, _ = encoder.states(character)
    np.testing.assert_allclose(states[place].numpy(), expected[0], atol=1e-5)
    assert not known[:, 0].any()


def test_our_subwords_become_text_again(data: semantic_stage.Material) -> None:
    line = semantic_text.analysed("他在银行, small boat!", data.subwords, data.readings)
    text_again, places = foreign.written(line.ids, data.subwords)
    assert "".join(text_again.split()) == "他在银行,smallboat!"
    assert text_again[slice(*places[-2])] == "boat"


def test_a_folder_without_encoder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadFile, match=r"model\.onnx and tokenizer\.json"):
        foreign.ForeignEncoder(tmp_path)


@pytest.fixture
def train(sources, tmp_path: Path, monkeypatch):
    """Runs `resay train semantic` with a small network; gives the result and the folder of runs."""
    shape = semantic_net.SemanticShape
    monkeypatch.setattr(
        semantic_command,
        "SemanticShape",
        lambda tokens, readings: replace(shape(tokens, readings), width=32, embedding=16, layers=2, heads=2, query=16),
    )
    monkeypatch.setattr(semantic_command, "SMALL", {"layers": 1})
    monkeypatch.setattr(semantic_command, "TASKS", tmp_path / "semantic.safetensors")
    plain, sentences, labels = sources

    def run(*arguments: object) -> tuple[int, str, Path]:
        fixed = [plain, "--sentences", sentences, "--labels", labels, "--runs", tmp_path, "--steps", 2, *arguments]
        result = CliRunner().invoke(command.app, ["semantic", *map(str, fixed)])
        return result.exit_code, str(result.exception or ""), tmp_path

    return run


def test_the_command_trains_tunes_shrinks_and_follows(train, sources, foreign_folder: Path) -> None:
    code, problem, runs = train("--licence", "CC0-1.0")
    assert (code, problem) == (0, "")
    first = runs / "semantic" / "semantic.onnx"
    record = json.loads((runs / "semantic" / "training.json").read_text(encoding="utf-8"))
    assert record["licences"] == ["CC0-1.0"]
    assert record["lines"]["plain.txt"] == 20
    assert train("--resume")[0] == 0
    assert train("--init", runs / "semantic", "--tune", sources[0], "--freeze", 2)[:2] == (0, "")
    assert train("--init", runs / "semantic", "--distil")[:2] == (0, "")
    assert train("--encoder", foreign_folder)[:2] == (0, "")
    whole, kept = _parameters(first), _parameters(runs / "semantic" / "tuned" / "semantic.onnx")
    assert np.array_equal(whole["layers.1.join.bias"], kept["layers.1.join.bias"])
    assert not np.array_equal(whole["query.bias"], kept["query.bias"])
    assert "layers.1.join.bias" not in _parameters(runs / "semantic" / "small" / "semantic.onnx")
    assert (runs / "semantic" / "following" / "semantic.onnx").is_file()


def _parameters(path: Path) -> dict[str, np.ndarray]:
    return {tensor.name: onnx.numpy_helper.to_array(tensor) for tensor in onnx.load(str(path)).graph.initializer}


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (["--freeze", "2"], "--tune or --init"),
        (["--distil", "--encoder", "."], "three different things"),
        (["--tune", "nowhere.txt"], "no such file"),
    ],
)
def test_options_that_do_not_go_together_are_told(train, arguments: list[str], problem: str) -> None:
    code, told, runs = train(*arguments)
    assert code != 0
    assert problem in told
    assert not list(runs.iterdir())


def test_vectors_of_all_clips_are_kept(cache: Path, exported: Path) -> None:
    clips = recordings.Recordings(cache)
    made = vectors.make(clips, SemanticEncoder.open(exported), cache)
    known = annotations.transcribe(clips, cache)
    assert made == len(clips.clips)
    kept = vectors.Vectors(cache)
    for clip in clips.clips:
        sentence = text.sentence(clip.text, clip.language)
        rows = kept.of(clip.id, len(known[clip.id]))
        np.testing.assert_allclose(rows, SemanticEncoder.open(exported).vectors(sentence), atol=5e-3)
    with pytest.raises(BadFile, match="another reading"):
        kept.of(clips.clips[0].id, 1)


def test_a_reading_of_another_source_takes_the_vectors_of_our_words(exported: Path) -> None:
    encoder = SemanticEncoder.open(exported)
    sentence = text.sentence("他在银行。")
    own = encoder.vectors(sentence)
    symbols = [*sentence.phonemes[:3], *sentence.phonemes[4:]]
    symbols[5] = "ing2"
    found = vectors.fitted(sentence, symbols, encoder)
    assert found.shape == (len(symbols), SEMANTIC)
    np.testing.assert_array_equal(found[1], own[1])
    assert np.abs(found[5]).max() > 0
    assert np.abs(found[0]).max() == 0
