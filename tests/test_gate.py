"""The quality gate on sounds that the tests make."""

from __future__ import annotations

import json

import numpy as np
import pytest

from resay import audio, gate, quality, text
from resay.audio import FORMAT, Audio
from resay.gate import coverage, page, speakers
from resay.gate.ears import Ears, Heard
from resay.gate.page import to_json

from .test_reference import babble

RATE = FORMAT.sample_rate


def found(sound: Audio) -> dict[str, quality.Finding]:
    return {it.code: it for it in quality.check(sound).findings if it.severity != "advice"}


def silence(seconds: float) -> np.ndarray:
    return 1e-5 * np.random.default_rng(1).standard_normal(int(seconds * RATE)).astype(np.float32)


@pytest.mark.parametrize(
    ("code", "parts", "where"),
    [
        ("silence_head", (2.0, None), (0.0, 2.0)),
        ("silence_tail", (None, 2.0), (5.0, 7.0)),
        ("long_pause", (None, 2.0, None), (5.0, 7.0)),
    ],
)
def test_two_seconds_of_silence_are_found_with_their_place(code, parts, where):
    speech = babble(5.0).samples
    sound = Audio(np.concatenate([speech if part is None else silence(part) for part in parts]))
    told = found(sound)[code]
    assert told.start == pytest.approx(where[0], abs=0.25)
    assert told.end == pytest.approx(where[1], abs=0.25)
    assert told.effect
    assert told.advice
    assert code not in found(babble(5.0))


@pytest.mark.parametrize("gain", [1.0, 0.2])
def test_clipping_is_found_at_any_level(gain):
    speech = babble(5.0).samples
    top = np.quantile(np.abs(speech), 0.97)
    assert "clipped" in found(Audio((np.clip(speech, -top, top) * gain).astype(np.float32)))
    assert "clipped" not in found(babble(5.0))


def test_a_telephone_is_worse_than_half_the_band():
    hiss = np.random.default_rng(0).standard_normal(5 * RATE).astype(np.float32)
    speech = Audio(babble(5.0).samples + 0.003 * hiss)
    severity = {}
    for rate in (8_000, 16_000, 24_000):
        findings = quality.check(speech.resampled(rate)).findings
        severity[rate] = [it.severity for it in findings if it.code == "narrow_band"]
    assert severity == {8_000: ["warning"], 16_000: ["advice"], 24_000: []}


def test_a_quiet_recording_is_found():
    speech = babble(5.0).samples
    level = 10 * np.log10((speech**2).mean())
    assert "quiet" in found(Audio(speech * 10 ** ((-40 - level) / 20)))
    assert "quiet" not in found(Audio(speech * 10 ** ((-30 - level) / 20)))


def test_the_stretch_of_another_speaker_stands_out():
    """With a timbre that tells the two apart, the place is found."""
    random = np.random.default_rng(0)
    frames, first, end = 800, 300, 520
    mel = random.standard_normal((frames, 80)).astype(np.float32)
    mel[first:end, 0] += 50.0
    track = np.full(frames, 120.0, np.float32)
    track[first:end] = 240.0

    def timbre(part: np.ndarray) -> np.ndarray:
        share = (part[:, 0] > 25).mean()
        return np.array([1 - share, share], np.float32) / np.hypot(1 - share, share)

    change = speakers.change(mel, track, np.ones(frames, bool), timbre)
    assert change is not None
    assert abs(change.start - FORMAT.seconds(first)) < 0.6
    assert abs(change.end - FORMAT.seconds(end)) < 0.6
    assert change.features[0] < 0.3
    assert change.features[2] == pytest.approx(1.0, abs=0.1)
    assert speakers.change(mel[:100], track[:100], np.ones(100, bool), timbre) is None


def test_coverage_counts_what_is_said():
    sentences = [text.sentence("妈妈骑马，马慢，妈妈骂马吗？"), text.sentence("Good morning.")]
    covered = coverage.coverage(sentences)
    assert covered.questions == 1
    assert covered.counts["initials"]["m"] >= 8
    assert covered.counts["tones"]["3"] >= 1
    assert covered.counts["vowels"]["UH"] == 1
    assert "zh" in covered.missing["initials"]
    assert coverage.findings(covered) == []
    told = coverage.findings(coverage.coverage([text.sentence("你好。")] * 25))
    assert {it.code for it in told} == {"coverage", "no_questions"}
    assert {it.severity for it in told} == {"advice"}


def test_the_network_hears_the_same_twice():
    mel = audio.log_mel(babble(4.0).samples)
    units, clip = Ears().logits(mel)
    assert units.shape == (len(mel) // 4, 3)
    assert np.isfinite(units).all()
    np.testing.assert_array_equal(Ears().logits(mel)[1], clip)


class Deaf(Ears):
    """Hears only what it is told to."""

    def __init__(self, *heard: Heard) -> None:
        self._heard = list(heard)

    def hear(self, mel: np.ndarray) -> list[Heard]:
        return self._heard

    def other_speaker(self, *_: object) -> None:
        return None


def test_what_spoils_timbre_forbids_training(fake_engine):
    checks = gate.Gate(fake_engine.reference, ears=Deaf(Heard("music", 2.0, 0.5, 1.5)))
    verdict = checks.check(gate.Item("clip", babble(5.0)))
    (music,) = verdict.report.findings
    assert (music.code, music.severity, music.start) == ("music", "refusal", 0.5)
    assert not verdict.passed
    clean = gate.Gate(fake_engine.reference, ears=Deaf()).check(gate.Item("clip", babble(5.0)))
    assert clean.passed


def test_a_set_of_recordings_is_judged_with_its_texts(fake_engine, tmp_path):
    audio.write(tmp_path / "good.wav", babble(5.0))
    (tmp_path / "bad.wav").write_bytes(b"junk")
    checks = gate.Gate(fake_engine.reference, fake_engine.aligner, Deaf())
    files = [tmp_path / "good.wav", tmp_path / "bad.wav"]
    verdicts, findings, covered = gate.gate(files, ["Good morning.", None], checks)
    assert [verdict.name for verdict in verdicts] == [str(files[0])]
    assert [(it.code, it.clip) for it in findings if it.severity == "refusal"][-1] == ("unreadable", str(files[1]))
    assert covered is not None
    assert covered.sentences == 1
    report = to_json(verdicts, findings, covered)
    assert report["accepted"] is False
    assert json.loads(json.dumps(report))["findings"][-1]["code"] == "unreadable"
    html = page.page("<title>", verdicts, findings, covered)
    assert "&lt;title&gt;" in html
    assert "<script" not in html
    assert html.count("http") == html.count("http://www.w3.org/2000/svg")


# The command


@pytest.fixture
def deaf(monkeypatch):
    monkeypatch.setattr("resay.gate.checking.Ears", Deaf)


def test_check_writes_a_page(run, work, clip, deaf):
    code, out, _ = run("voice", "check", clip, "--html", "page.html", "--json")
    assert code == 0
    assert json.loads(out)["passed"] in (True, False)
    assert "<svg" in (work / "page.html").read_text("utf-8")


def test_check_of_a_folder_takes_texts_from_a_table(run, work, clip, deaf):
    (work / "texts.list").write_text(f"{clip.name}|speaker|en|Good morning everybody.\n", encoding="utf-8")
    code, out, _ = run("voice", "check", clip.parent, "--text", "texts.list", "--json")
    report = json.loads(out)
    assert code in (0, 2)
    assert report["coverage"]["sentences"] == 1
    (work / "texts.list").write_text("nobody|Good morning.\n", encoding="utf-8")
    code, _, err = run("voice", "check", clip.parent, "--text", "texts.list")
    assert code == 2
    assert "nobody" in err


@pytest.mark.parametrize("line", ["no column", "a|b\nnothing"])
def test_a_bad_table_is_told_with_its_line(run, work, clip, deaf, line):
    (work / "texts.list").write_text(line, encoding="utf-8")
    code, _, err = run("voice", "check", clip.parent, "--text", "texts.list")
    assert code == 2
    assert err.count("\n") == 1


def test_an_empty_folder_is_refused(run, work):
    (work / "empty").mkdir()
    code, _, err = run("voice", "check", "empty")
    assert code == 2
    assert "no sound files" in err
