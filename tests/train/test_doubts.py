"""Fitting doubts: texts are changed as told, the line lets so many true texts pass, the file is read as written."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch")

from resay.aligner import CLASSES, SILENCE
from resay.alignment import doubts
from resay.errors import BrokenModel
from resay.train import doubts_stage
from resay.train.recordings import Clip

ALARMS = 0.025
SAID = ("we went home early", "a small red boat came in", "they met us at the door")


def clip(words: str) -> Clip:
    return Clip(words, "set", "en", "somebody", "", words, 12_000.0, -80.0, "")


def test_changed_texts_are_a_word_longer_or_shorter() -> None:
    random = np.random.default_rng(0)
    rows = list(doubts_stage.changes([clip(words) for words in SAID], random, each=2))
    assert [row[0].text for row in rows] == list(SAID[1:])  # the first clip lends its words to the second
    for whole, texts in rows:
        count = len(whole.text.split())
        assert len(texts[0].sentence.words) == count
        for changed in texts[1:]:
            words = [word.text for word in changed.sentence.words]
            if changed.removed is not None:
                assert words == [it for at, it in enumerate(whole.text.split()) if at != changed.removed]
            else:
                assert changed.added is not None
                assert words[: changed.added] + words[changed.added + 1 :] == whole.text.split()


@pytest.fixture(scope="module")
def rows() -> doubts_stage.Rows:
    """Texts of ten places each; in every second one a place stands out."""
    random = np.random.default_rng(1)
    clips = np.repeat(np.arange(600), 10)
    labels = np.zeros(6000)
    labels[np.flatnonzero(clips % 2)[::10]] = 1.0
    features = random.standard_normal((6000, 3)) + 3.0 * labels[:, None]
    return doubts_stage.Rows(features.astype(np.float32), labels, clips, np.repeat(np.arange(600) % 2 == 0, 10))


def test_the_line_lets_so_many_true_texts_pass(rows: doubts_stage.Rows) -> None:
    model = doubts_stage.fit(rows, ALARMS, steps=200)
    judged = rows.part(rows.true)
    told = model.probability(judged.features) > doubts.LINE
    texts = len(np.unique(judged.clips))
    assert 0 < len(np.unique(judged.clips[told])) <= 2 * ALARMS * texts
    assert (model.probability(rows.features[rows.labels > 0]) > doubts.LINE).mean() > 0.8


def widened(model: doubts.Model, features: int) -> doubts.Model:
    """The model as if it read so many features."""
    hidden = np.resize(model.hidden, (features, model.hidden.shape[1]))
    return replace(
        model, centre=np.resize(model.centre, features), spread=np.resize(model.spread, features), hidden=hidden
    )


def test_doubts_are_read_as_written(rows: doubts_stage.Rows, tmp_path: Path) -> None:
    model = doubts_stage.fit(rows, ALARMS, steps=20)
    lengths = doubts.Lengths(np.full(CLASSES, 1.8), np.full(CLASSES, 0.4))
    found = doubts.Doubts(
        widened(model, len(doubts.WORD_FEATURES)), widened(model, len(doubts.PLACE_FEATURES)), lengths
    )
    doubts_stage.write(found, tmp_path / "d.json")
    again = doubts.read(tmp_path / "d.json")
    features = np.random.default_rng(2).standard_normal((5, len(doubts.WORD_FEATURES)))
    np.testing.assert_allclose(again.words.logits(features), found.words.logits(features), atol=0.01)
    np.testing.assert_allclose(again.lengths.mean, lengths.mean)
    content = json.loads((tmp_path / "d.json").read_text())
    content["words"]["features"][0] = "another"
    (tmp_path / "d.json").write_text(json.dumps(content))
    with pytest.raises(BrokenModel, match="another version"):
        doubts.read(tmp_path / "d.json")


def test_a_length_is_unusual_beside_the_others_of_its_clip() -> None:
    lengths = doubts.Lengths(np.full(CLASSES, np.log(6.0)), np.full(CLASSES, 0.5))
    classes = np.array([SILENCE, 1, 2, 3, 4, SILENCE])
    slow = lengths.deviations(classes, np.array([40, 12, 12, 12, 12, 40]))
    np.testing.assert_allclose(slow, 0.0)  # a slow speaker is no surprise, nor is a long pause
    one = lengths.deviations(classes, np.array([40, 6, 6, 24, 6, 40]))
    assert one.argmax() == 3
    assert one[3] == pytest.approx(np.log(4.0) / 0.5)
