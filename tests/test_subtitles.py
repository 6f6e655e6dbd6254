"""Subtitles: every word in its place, in the sound and in the raw text."""

from __future__ import annotations

import json
import re
from itertools import pairwise

import pytest

from resay import subtitles
from resay.errors import BadOption
from resay.synthesis import Request

TEXT = 'Good morning, "friend". 早上好，给我500元。'


@pytest.fixture
def speech(fake_engine, voice):
    return fake_engine.say(Request(TEXT), voice)


@pytest.fixture
def cues(speech):
    return list(subtitles.cues(speech.pieces))


def test_cues_cover_the_sound_without_gaps(speech, cues):
    assert cues[0].start == 0.0
    assert cues[-1].end == pytest.approx(speech.audio.seconds)
    for one, other in pairwise(cues):
        assert one.end == pytest.approx(other.start)


def test_words_follow_each_other_inside_their_cue(cues):
    for cue in cues:
        edges = [edge for word in cue.words for edge in (word.start, word.end)]
        assert edges == sorted(edges)
        assert cue.start <= edges[0]
        assert edges[-1] <= cue.end + 1e-9


def test_words_map_back_to_the_raw_text(cues):
    words = [word for cue in cues for word in cue.words]
    assert all(TEXT[slice(*word.span)] == word.text for word in words)
    assert "500" in "".join(word.text for word in words)


def test_srt_is_numbered_and_timed(cues):
    blocks = subtitles.write(cues, "srt").strip().split("\n\n")
    assert len(blocks) == len(cues)
    number, times, text = blocks[0].split("\n")
    assert number == "1"
    assert re.fullmatch(r"\d\d:\d\d:\d\d,\d{3} --> \d\d:\d\d:\d\d,\d{3}", times)
    assert "Good morning" in text


def test_vtt_has_its_head(cues):
    content = subtitles.write(cues, "vtt")
    assert content.startswith("WEBVTT\n\n00:00:00.000 --> ")


def test_text_grid_has_three_tiers_that_cover_everything(speech, cues):
    content = subtitles.write(cues, "textgrid")
    assert content.count('class = "IntervalTier"') == 3
    assert '""friend""' in content
    for tier in content.split("    item [")[2:]:
        low = [float(value) for value in re.findall(r"\n            xmin = (\S+)", tier)]
        high = [float(value) for value in re.findall(r"\n            xmax = (\S+)", tier)]
        assert low[0] == 0
        assert low[1:] == high[:-1]
        assert high[-1] == pytest.approx(speech.audio.seconds, abs=1e-5)


def test_json_holds_sentences_words_and_phonemes(cues):
    content = json.loads(subtitles.write(cues, "json"))
    assert [sentence["span"] for sentence in content["sentences"]] == [list(cue.span) for cue in cues]
    assert content["sentences"][0]["words"][0]["text"] == "Good"
    assert content["sentences"][0]["phonemes"][0]["text"] == "^"


def test_hours_are_counted():
    assert subtitles._clock(3661.0005, ",") in ("01:01:01,000", "01:01:01,001")
    assert subtitles._clock(59.9996, ".") == "00:01:00.000"


def test_unknown_format_is_refused(cues):
    with pytest.raises(BadOption, match="choose one of srt"):
        subtitles.write(cues, "doc")
