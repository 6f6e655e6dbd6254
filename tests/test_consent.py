"""Consent: nobody speaks in a voice whose owner has not agreed."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from dataclasses import replace
from datetime import date, timedelta

import pytest

from resay import audio, consent, manifest
from resay.consent import Consent, Kind, Use
from resay.errors import BadFile, BadOption, ConsentMissing
from resay.signing import SigningKey

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


# Signed, bound to clips, withdrawn


CLIP, OTHER_CLIP = "sha256:" + "a" * 64, "sha256:" + "b" * 64


def key(folder):
    return SigningKey.kept(folder / "some.key")


def test_signature_holds_over_everything_that_was_agreed(tmp_path):
    agreed = Consent("Ada", frozenset({Use.SPEAK}), TODAY, "yes", Kind.WRITTEN, (CLIP,)).signed(key(tmp_path))
    agreed.require(Use.SPEAK, TODAY)
    changed = [
        replace(agreed, speaker="Eve"),
        replace(agreed, uses=frozenset(Use)),
        replace(agreed, until=None),
        replace(agreed, statement="yes!"),
        replace(agreed, clips=()),
        replace(agreed, clips=(OTHER_CLIP,)),
        replace(agreed, signature=replace(agreed.signature, key="ed25519:" + "A" * 43 + "=")),
        replace(agreed, signature=replace(agreed.signature, value="")),
        replace(agreed, signature=replace(agreed.signature, value="not base64")),
    ]
    for other in changed:
        with pytest.raises(ConsentMissing, match="changed after it was signed"):
            other.check(TODAY)
    assert Consent.from_json(json.loads(json.dumps(agreed.to_json()))) == agreed


def test_private_key_is_its_owners_only(tmp_path):
    public = key(tmp_path).public
    assert (tmp_path / "some.key").stat().st_mode & 0o077 == 0
    assert key(tmp_path).public == public


@pytest.mark.parametrize("content", [b"", b"junk", b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"])
def test_bad_key_is_refused_in_one_line(tmp_path, content):
    (tmp_path / "some.key").write_bytes(content)
    with pytest.raises(BadFile, match="no Ed25519 key"):
        key(tmp_path)


def test_taken_consent_is_bound_to_its_clip_and_signed():
    agreed = consent.taken(consent.own(), CLIP, TODAY)
    assert agreed.clips == (CLIP,)
    assert agreed.signature.key == SigningKey.kept(consent.folder() / consent.KEY_FILE).public
    assert consent.taken(agreed, CLIP, TODAY) == agreed
    with pytest.raises(ConsentMissing, match="for another clip"):
        consent.taken(agreed, OTHER_CLIP, TODAY)


def test_speakers_own_signature_is_kept(tmp_path):
    agreed = Consent("Ada", frozenset(Use), None, "yes", Kind.WRITTEN).signed(key(tmp_path))
    assert consent.taken(agreed, CLIP, TODAY).signature == agreed.signature


def test_withdrawn_consent_is_refused_with_all_that_was_derived_from_it():
    agreed = consent.taken(consent.own(), CLIP, TODAY)
    other = consent.taken(consent.own(), OTHER_CLIP, TODAY)
    copy = consent.derived(agreed, TODAY)
    copy.require(Use.SPEAK, TODAY)
    assert consent.withdraw(agreed, TODAY)
    assert not consent.withdraw(agreed, TODAY)
    for gone in (agreed, copy):
        with pytest.raises(ConsentMissing, match="withdrawn"):
            gone.require(Use.SPEAK, TODAY)
    with pytest.raises(ConsentMissing, match="withdrawn"):
        consent.taken(consent.own(), CLIP, TODAY)
    other.require(Use.SPEAK, TODAY)


def test_derived_consent_names_nobody(tmp_path):
    agreed = Consent("Ada Lovelace", frozenset(Use), TODAY, "I, Ada, agree.", Kind.WRITTEN, (CLIP,)).signed(
        key(tmp_path)
    )
    written = json.dumps(consent.derived(agreed, TODAY).to_json())
    for told in ("Ada", CLIP, agreed.signature.key):
        assert told not in written


def test_damaged_list_of_withdrawals_forbids_everything(consents):
    consents.mkdir()
    (consents / consent.LIST_FILE).write_text('{"consent": 1}\n', encoding="utf-8")
    with pytest.raises(BadFile, match="line 1"):
        consent.own().require(Use.SPEAK, TODAY)


@pytest.mark.parametrize("agreed", [consent.own(), consent.embedded("Bo")])
def test_consent_of_nobody_in_particular_is_not_withdrawn(agreed):
    with pytest.raises(BadOption, match="voice remove"):
        consent.withdraw(agreed, TODAY)


# The command line

GIVE = ("consent", "give", "--speaker", "Ada", "--use", "speak", "--until", "2099-12-31", "--statement", "I agree.")


def test_given_consent_lets_its_clip_speak_and_no_other(run, work, clip, buzz):
    given = run(*GIVE, "--clip", clip, "-o", "ada.json")
    assert given[0] == 0, given
    assert run("speak", "Hi.", "--voice", clip, "--consent", "ada.json", "-o", "out.wav")[0] == 0
    made = manifest.read("out.json").consent
    assert (made.speaker, made.kind, len(made.clips)) == ("Ada", Kind.WRITTEN, 1)
    made.check(TODAY)
    audio.write("other.wav", buzz(4.5))
    code, _, err = run("speak", "Hi.", "--voice", "other.wav", "--consent", "ada.json", "-o", "no.wav")
    assert (code, "another clip" in err) == (3, True)
    assert not (work / "no.wav").exists()


def test_tampered_consent_exits_with_3(run, work, clip):
    assert run(*GIVE, "-o", "ada.json")[0] == 0
    record = json.loads((work / "ada.json").read_text())
    (work / "ada.json").write_text(json.dumps({**record, "uses": ["speak", "tune"]}))
    for command in (("consent", "check", "ada.json"), ("voice", "add", "Eve", clip, "--consent", "ada.json")):
        code, _, err = run(*command)
        assert (code, "changed after it was signed" in err) == (3, True)


@pytest.mark.parametrize(
    ("change", "problem"), [({"until": "2020-01-01"}, "ended on 2020-01-01"), ({"uses": ["tune"]}, "not agreed")]
)
def test_ended_and_refused_consents_exit_with_3(run, work, clip, change, problem):
    (work / "ada.json").write_text(json.dumps({**RECORD, "until": None, **change}))
    code, _, err = run("speak", "Hi.", "--voice", clip, "--consent", "ada.json", "-o", "out.wav")
    assert (code, problem in err) == (3, True)
    assert sorted(path.name for path in work.iterdir()) == ["ada.json"]


USES = {"speak": "speak", "tune": "tune", "join": "federate"}
ROADS = {
    "speak": ("speak", "Hi.", "--voice", "clip.wav", "-o", "out.wav"),
    "tune": ("tune", "Eve", "recordings"),
    "join": ("federated", "join", "--membership", "ada", "--recordings", "recordings"),
}


@pytest.mark.parametrize("standing", ["refused", "ended", "withdrawn", "changed"])
@pytest.mark.parametrize("road", ROADS)
def test_no_road_leads_past_consent(run, work, clip, road, standing):
    if road != "speak":
        pytest.importorskip("torch")
    shutil.copy(clip, work / "clip.wav")
    (work / "recordings").mkdir()
    uses = [use for use in ("speak", "tune", "federate") if (standing, use) != ("refused", USES[road])]
    given = ("consent", "give", "--speaker", "Ada", "--statement", "I agree.", *(f"--use={use}" for use in uses))
    assert run(*given, "--until", "2099-12-31", "-o", "ada.json")[0] == 0
    if standing == "withdrawn":
        assert run("consent", "withdraw", "ada.json")[0] == 0
    elif standing != "refused":
        record = json.loads((work / "ada.json").read_text())
        record |= {"until": "2020-01-01"} if standing == "ended" else {"statement": "I agree to everything."}
        if standing == "ended":
            del record["signature"]
        (work / "ada.json").write_text(json.dumps(record))
    code, _, err = run(*ROADS[road], "--consent", "ada.json")
    assert code == 3, err
    assert {"refused": "not agreed", "ended": "ended on"}.get(standing, standing) in err
    assert sorted(path.name for path in work.iterdir()) == ["ada.json", "clip.wav", "recordings"]


def test_withdrawal_stops_a_saved_voice(run, work, clip):
    run(*GIVE, "--use", "tune", "-o", "ada.json")
    assert run("voice", "add", "Eve", clip, "--consent", "ada.json")[0] == 0
    speak = ("speak", "Hi.", "--voice", "Eve", "-o", "out.wav")
    assert run(*speak)[0] == 0
    assert run("consent", "check", "Eve", "--use", "tune")[0] == 0
    assert run("consent", "check", "Eve", "--use", "federate")[0] == 3
    assert json.loads(run("consent", "withdraw", "Eve", "--json")[1])["withdrawn"]
    code, _, err = run(*speak)
    assert (code, "withdrawn" in err) == (3, True)
    assert run("consent", "check", "ada.json")[0] == 3
    assert json.loads(run("consent", "withdrawn", "--json")[1])["withdrawn"][0]["speaker"] == "Ada"


def test_shipped_voice_speaks_without_any_cryptography(library, work):
    code = (
        "import sys; from pathlib import Path; from resay import consent, voices; from datetime import date\n"
        "voices.load(Path(sys.argv[1])).consent.require(consent.Use.SPEAK, date.today())\n"
        "import resay.cli; assert 'cryptography' not in sys.modules"
    )
    shipped = library.folders[0] / "Ada.voice"
    subprocess.run([sys.executable, "-c", code, str(shipped)], check=True)
