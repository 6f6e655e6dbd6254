"""Consent: nobody speaks in a voice whose owner has not agreed."""

from __future__ import annotations

import json
from datetime import date, timedelta

import pytest

from resay import consent
from resay.consent import Consent, Kind, Use
from resay.errors import BadFile, ConsentMissing

TODAY = date(2026, 3, 8)
RECORD = {"speaker": "Ada", "uses": ["speak"], "until": "2026-12-31", "statement": "I agree."}


def test_own_voice_may_do_everything_for_ever():
    for use in Use:
        consent.own().require(use, date.max)


def test_use_that_was_not_agreed_to_is_refused():
    with pytest.raises(ConsentMissing, match="Ada has not agreed to this use: tune"):
        Consent("Ada", frozenset({Use.SPEAK}), None, "yes", Kind.WRITTEN).require(Use.TUNE, TODAY)


def test_consent_holds_on_its_last_day_and_not_after():
    agreed = Consent("Ada", frozenset({Use.SPEAK}), TODAY, "yes", Kind.WRITTEN)
    agreed.require(Use.SPEAK, TODAY)
    with pytest.raises(ConsentMissing, match="ended on 2026-03-08"):
        agreed.require(Use.SPEAK, TODAY + timedelta(days=1))


def test_missing_consent_exits_with_3():
    assert ConsentMissing.exit_code == 3


@pytest.mark.parametrize("agreed", [consent.own("Ada"), consent.embedded("Bo")])
def test_json_gives_back_the_same_consent(agreed):
    assert Consent.from_json(json.loads(json.dumps(agreed.to_json()))) == agreed


def test_file_is_a_written_record_whatever_it_claims(tmp_path):
    path = tmp_path / "ada.json"
    path.write_text(json.dumps({**RECORD, "kind": "embedded"}), encoding="utf-8")
    agreed = consent.from_file(path)
    assert agreed == Consent("Ada", frozenset({Use.SPEAK}), date(2026, 12, 31), "I agree.", Kind.WRITTEN)


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ("", "not JSON"),
        ("[" * 100_000, "not JSON"),
        ("[]", "must be a JSON object"),
        (json.dumps({**RECORD, "speaker": ""}), "speaker is missing"),
        (json.dumps({**RECORD, "uses": "speak"}), "uses must be a list"),
        (json.dumps({**RECORD, "uses": []}), "uses is empty"),
        (json.dumps({**RECORD, "uses": ["sing"]}), "'sing' is not a valid Use"),
        (json.dumps({**RECORD, "until": "soon"}), "until must be a day"),
        (json.dumps({**RECORD, "until": 3}), "until must be a day"),
    ],
)
def test_bad_record_is_refused_in_one_line(tmp_path, content, problem):
    path = tmp_path / "ada.json"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(BadFile, match=problem) as refusal:
        consent.from_file(path)
    assert str(path) in str(refusal.value)
    assert "\n" not in str(refusal.value)


def test_missing_record_is_refused(tmp_path):
    with pytest.raises(BadFile, match="cannot be read"):
        consent.from_file(tmp_path / "none.json")
