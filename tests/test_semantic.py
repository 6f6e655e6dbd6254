"""The semantic encoder that ships: subwords, spans, vectors, and the engine with and without it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from resay import semantic, synthesis, text
from resay.errors import BrokenModel
from resay.onnx_graph import OnnxGraph
from resay.semantic import SEMANTIC, SPECIAL, SemanticEncoder, Subwords
from resay.synthesis import SHIPPED, Engine, Request
from resay.text import phonemes

GRAPH = SHIPPED / "semantic.onnx"
TEXTS = (
    "行长在重庆花了500元，他很高兴。",
    "The quick brown fox doesn't jump, does it?",
    "他说hello就走了！",
    "银行门口有一行字。",
    "Unhappiness is no excuse for a lack of manners.",
)


@pytest.fixture(scope="module")
def encoder() -> SemanticEncoder:
    return SemanticEncoder.open(GRAPH)


@pytest.fixture
def subwords() -> Subwords:
    letters = "abcdefghijklmnopqrstuvwxyz"
    return Subwords(
        [*SPECIAL, *"行长来了五百元银", "un", "##hap", "##piness", *letters, *("##" + it for it in letters)]
    )


def shown(subwords: Subwords, numbers: list[int]) -> list[str]:
    return [subwords.pieces[number] for number in numbers]


def test_words_are_cut_into_the_longest_pieces(subwords: Subwords) -> None:
    assert shown(subwords, subwords.cut("Unhappiness")) == ["un", "##hap", "##piness"]
    assert shown(subwords, subwords.cut("unhat")) == ["un", "##h", "##a", "##t"]
    assert shown(subwords, subwords.cut("行长")) == ["行", "长"]


def test_traditional_characters_are_taken_for_simplified_ones(subwords: Subwords) -> None:
    assert subwords.cut("銀行長") == subwords.cut("银行长")


def test_what_the_vocabulary_has_not_is_one_unknown_piece(subwords: Subwords) -> None:
    assert shown(subwords, subwords.cut("[[ti4]]")) == ["<unknown>"]
    assert shown(subwords, subwords.cut("龘行")) == ["<unknown>", "行"]


@pytest.mark.parametrize("pieces", [["a", "b"], [*SPECIAL, "a", "a"], SPECIAL[1:]])
def test_a_list_that_is_no_vocabulary_is_refused(pieces: list[str]) -> None:
    with pytest.raises(ValueError, match="no vocabulary"):
        Subwords(pieces)


def test_a_character_is_said_for_its_own_syllable(subwords: Subwords) -> None:
    sentence = text.sentence("行长来了，500元。")
    found = semantic.spans(sentence, subwords)
    said = {
        subwords.pieces[number]: sentence.phonemes[start:end]
        for number, (start, end) in zip(found.ids, found.owned, strict=True)
    }
    assert said["行"] == ("h", "ang2")
    assert said["长"] == ("zh", "ang3")
    assert said["百"] == ("b", "ai3")
    assert said[","] == () == said["<start>"]


def test_all_pieces_of_an_english_word_are_said_for_all_of_it(subwords: Subwords) -> None:
    sentence = text.sentence("Unhappiness!")
    found = semantic.spans(sentence, subwords)
    assert found.owned[1:4] == (sentence.words[0].phonemes,) * 3


@pytest.mark.parametrize("written", TEXTS)
def test_the_mask_averages_over_the_subwords_of_a_phoneme(subwords: Subwords, written: str) -> None:
    sentence = text.sentence(written)
    sums = semantic.spans(sentence, subwords).mask(len(sentence.phonemes)).sum(axis=1)
    silent = np.array([phonemes.is_pause(symbol) for symbol in sentence.phonemes])
    np.testing.assert_allclose(sums, np.where(silent, 0.0, 1.0), atol=1e-6)


@pytest.mark.parametrize("written", TEXTS)
def test_every_sound_has_a_vector_and_no_pause_has(encoder: SemanticEncoder, written: str) -> None:
    sentence = text.sentence(written)
    vectors = encoder.vectors(sentence)
    assert vectors.shape == (len(sentence.phonemes), SEMANTIC)
    assert vectors.dtype == np.float32
    silent = np.array([phonemes.is_pause(symbol) for symbol in sentence.phonemes])
    np.testing.assert_array_equal(np.abs(vectors).max(axis=1) > 0, ~silent)


def test_vectors_are_of_unit_spread(encoder: SemanticEncoder) -> None:
    rows = np.concatenate([encoder.vectors(text.sentence(written)) for written in TEXTS])
    spread = rows[np.abs(rows).max(axis=1) > 0].std()
    assert 0.6 < spread < 1.5


def test_the_phonemes_of_a_word_share_its_vector(encoder: SemanticEncoder) -> None:
    sentence = text.sentence("Her unhappiness was plain.")
    start, end = sentence.words[1].phonemes
    vectors = encoder.vectors(sentence)
    np.testing.assert_allclose(vectors[start:end], vectors[[start] * (end - start)], atol=1e-5)


def test_a_word_means_something_else_elsewhere(encoder: SemanticEncoder) -> None:
    place, line = text.sentence("他去银行。"), text.sentence("一行白鹭。")
    in_bank = encoder.vectors(place)[place.words[-1].phonemes[1] - 1]
    in_line = encoder.vectors(line)[line.words[0].phonemes[1] - 1]
    assert np.abs(in_bank - in_line).max() > 0.1


def test_the_sentence_before_is_seen_by_its_end_alone(encoder: SemanticEncoder) -> None:
    sentence = text.sentence("It fell.")
    ending = " ".join(["the tower stood"] * 20) + "."
    alone = encoder.vectors(sentence)
    after = encoder.vectors(sentence, text.sentence(ending))
    assert np.abs(after - alone).max() > 1e-3
    longer = encoder.vectors(sentence, text.sentence("Nobody knew that " + ending))
    np.testing.assert_array_equal(longer, after)


def test_chances_are_of_the_character_and_add_up(encoder: SemanticEncoder) -> None:
    chances = encoder.chances("他在银行工作。", 3)
    assert {"hang2", "xing2"} <= set(chances)
    assert sum(np.exp(list(chances.values()))) == pytest.approx(1.0, abs=1e-4)
    assert encoder.chances("他在。", 2) == {}


def test_kinds_of_pauses_decide_no_reading(encoder: SemanticEncoder) -> None:
    comma = encoder.chances("他来了，银行关了。", 5)
    assert comma == encoder.chances("他来了。银行关了，", 5)


def test_a_graph_without_vocabulary_is_refused() -> None:
    with pytest.raises(BrokenModel, match="no vocabulary"):
        SemanticEncoder(OnnxGraph(SHIPPED / "prosody_heads.onnx"))


def test_the_encoder_is_small() -> None:
    assert GRAPH.stat().st_size <= 2_000_000
    assert sum(path.stat().st_size for path in SHIPPED.glob("*.onnx")) <= 40_000_000


class Wanting:
    """Stands for a graph that takes semantic vectors, or does not."""

    def __init__(self, *inputs: str) -> None:
        self.inputs = list(inputs)


def test_graphs_are_fed_vectors_where_they_take_them() -> None:
    vectors = np.ones((3, SEMANTIC), np.float32)
    assert semantic.inputs(Wanting("ids"), vectors) == {}
    assert semantic.inputs(Wanting("ids"), None) == {}
    assert semantic.inputs(Wanting("ids", "semantic"), vectors)["semantic"].shape == (1, 3, SEMANTIC)
    with pytest.raises(BrokenModel, match="names no encoder"):
        semantic.inputs(Wanting("ids", "semantic"), None)


def models(folder: Path) -> Path:
    """The shipped weights in another folder."""
    folder.mkdir()
    for path in (*SHIPPED.glob("*.onnx"), SHIPPED / "model.json"):
        (folder / path.name).symlink_to(path)
    return folder


def test_weights_with_semantics_see_the_sentence_before_only_in_context(tmp_path: Path, voice, monkeypatch) -> None:
    engine = Engine(models(tmp_path / "models"), threads=1)
    assert engine.digests["semantic"].startswith("sha256:")
    before: list[text.Sentence | None] = []

    def vectors(sentence: text.Sentence, previous: text.Sentence | None = None) -> np.ndarray:
        before.append(previous)
        return np.zeros((len(sentence.phonemes), SEMANTIC), np.float32)

    monkeypatch.setattr(engine.semantic, "vectors", vectors)
    for context in (False, True):
        for _ in engine.stream(Request("Hello. Again.", context=context), voice):
            pass
    assert [found.text if found else None for found in before] == [None, None, None, "Hello."]


def test_a_missing_encoder_is_told(tmp_path: Path) -> None:
    folder = models(tmp_path / "models")
    (folder / "semantic.onnx").unlink()
    with pytest.raises(BrokenModel, match=r"semantic\.onnx"):
        synthesis.Engine(folder)
