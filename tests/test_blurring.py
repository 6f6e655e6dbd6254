"""Blurred copies of voices: how far away, how hard to average, what they do not say."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import date

import numpy as np
import pytest

from resay import blurring, consent, voices
from resay.consent import Kind
from resay.errors import BadOption, BrokenModel, ConsentMissing

TODAY = date(2026, 3, 8)
CLIP = "sha256:" + "c" * 64


@pytest.fixture
def directions():
    """Voices that differ in three of 193 ways."""
    return measured()[:3]


def measured():
    people = np.random.default_rng(5).standard_normal((200, 3)) @ np.random.default_rng(6).standard_normal((3, 193))
    return blurring.axes(people[:, :192], np.exp(people[:, 192] / 10))


@pytest.fixture
def mine(voice):
    agreed = consent.taken(consent.own("Ada Lovelace"), CLIP, TODAY)
    return replace(voice, consent=agreed, source=CLIP, seed=7, quality={"seconds": 4.0}, gender="female")


def test_axes_are_where_people_differ():
    lengths = np.linalg.norm(measured(), axis=1)
    assert (lengths[:3] > 0.1).all()
    assert lengths[3:].max() < 1e-3


def test_what_was_said_in_the_clip_is_left_out(prompted, directions):
    assert blurring.blurred(prompted, 1.0, "copy", directions, TODAY).profile.prompt is None


def test_stronger_is_further(mine, directions):
    away = []
    for strength in (0.2, 1.0, 3.0):
        copy = blurring.blurred(mine, strength, "copy", directions / 400, TODAY)
        assert np.linalg.norm(copy.profile.timbre) == pytest.approx(1.0, abs=1e-5)
        assert copy.profile.sounds is None
        away.append(1 - float(copy.profile.timbre @ mine.profile.timbre))
    assert away == sorted(away)
    assert away[0] > 1e-4


def test_noise_follows_the_axes_and_leaves_no_direction_clear(mine, directions):
    known = directions / 20
    every = blurring.full_axes(known)
    assert every.shape == (193, 193)
    np.testing.assert_array_equal(every[:3], known)
    np.testing.assert_allclose(np.linalg.norm(every[3:], axis=1), np.linalg.norm(known, axis=1).min())
    np.testing.assert_allclose(every[3:] @ known.T, 0.0, atol=1e-9)


def test_second_copy_is_the_first(mine, directions):
    one, two = (blurring.blurred(mine, 1.0, "copy", directions, TODAY) for _ in range(2))
    assert one.to_bytes() == two.to_bytes()
    other = blurring.blurred(mine, 1.1, "copy", directions, TODAY)
    assert other.digest != one.digest


def test_copy_names_nobody(mine, directions):
    content = blurring.blurred(mine, 1.0, "copy", directions, TODAY).to_bytes()
    named = ("Lovelace", CLIP, mine.digest, "calm", "female", mine.consent.signature.key)
    # The derived consent is signed by the keeper's key here because the keeper signed the first one, too.
    for told in named[:-1]:
        assert told.encode() not in content


def test_withdrawing_reaches_the_copy(mine, directions):
    copy = blurring.blurred(mine, 1.0, "copy", directions, TODAY)
    copy.consent.require(consent.Use.SPEAK, TODAY)
    consent.withdraw(mine.consent, TODAY)
    with pytest.raises(ConsentMissing, match="withdrawn"):
        copy.consent.require(consent.Use.SPEAK, TODAY)
    with pytest.raises(ConsentMissing):
        blurring.blurred(mine, 1.0, "copy", directions, TODAY)


@pytest.mark.parametrize("strength", [0.0, -1.0, 5.0, float("nan")])
def test_strength_out_of_range_is_refused(mine, directions, strength):
    with pytest.raises(BadOption):
        blurring.blurred(mine, strength, "copy", directions, TODAY)


def test_weights_without_axes_are_told(tmp_path):
    (tmp_path / "model.json").write_text("{}")
    with pytest.raises(BrokenModel, match="export them anew"):
        blurring.shipped_axes(tmp_path)


def test_command_writes_a_copy_that_speaks(run, work, clip):
    assert run("voice", "add", "Eve", clip, "--consent", "own", "--description", "my sister")[0] == 0
    told = json.loads(run("voice", "export", "Eve", "--blur", "1", "-o", "lent.voice", "--json")[1])
    copy = voices.load("lent.voice")
    assert (told["digest"], copy.name, copy.consent.kind) == (copy.digest, "lent", Kind.WRITTEN)
    assert "sister" not in copy.description
    assert run("speak", "Hi.", "--voice", "lent.voice", "-o", "out.wav")[0] == 0
    assert run("voice", "export", "Eve", "-o", "same.voice")[0] == 0
    assert voices.load("same.voice").description == "my sister"


@pytest.mark.parametrize(
    "arguments", [("Eve", "-o", "x.wav"), ("Ada", "--blur", "9", "-o", "x.voice"), ("Nobody", "-o", "x.voice")]
)
def test_bad_exports_are_refused_and_nothing_is_written(run, work, arguments):
    assert run("voice", "export", *arguments)[0] == 2
    assert list(work.iterdir()) == []


def test_shipped_weights_know_their_axes():
    assert blurring.shipped_axes().shape == (blurring.AXES, 193)
