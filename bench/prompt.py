"""What a clip's transcript brings: rate, liveliness and sounds of people whom the weights never met.

    python bench/prompt.py CORPUS [--people 32] [--seeds 1] [--models DIR] [--write docs/prompt.md]

Of each person one clip is listened to, with and without its words; then the words of another clip are planned, and the
plan is held against how they said them. Nothing is rendered.
"""

from __future__ import annotations

import argparse
import sys
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import sections
from rich.progress import track as progress

from resay import audio, consent, text, transcript
from resay.aligner import CLASSES, laid
from resay.errors import BadAudio, BadText
from resay.evaluate import about, held_out, intervals
from resay.evaluate.held_out import Person
from resay.evaluate.tables import figure, percent, table
from resay.prompt import Prompt
from resay.reference import Profile, canonical
from resay.synthesis import SHIPPED, Engine, Request
from resay.text import phonemes
from resay.voices import Voice

LISTENED = ("clip alone", "sounds and rate of its words", "prompt as well")
ACCENTS = (0.0, 1.0)
SEMITONES = 12.0  # an octave
LEAST_FRAMES = 3  # of a sound, for its mean to mean something
PAGE = """# What a transcript brings

Written by `python bench/prompt.py CORPUS --write docs/prompt.md`; do not edit. {people} held-out people (as many
plans of each as seeds: {seeds}): one clip of 3 to 10 s is cloned, the words of another clip are planned, and the plan
is compared with how the person said them.

{plans}
*Length of a sound*: mean distance between planned and measured length of a clip's sounds, all together, in per cent.
*Spread of pitch*: the same of the standard deviation of pitch over voiced phonemes, in semitones. *Follows*:
correlation over people of planned and measured. Brackets hold 95 % intervals over people. With accent 0 a native's
timbre is planned with. {rate}

{sounds}
*Sounds known* of {classes}; *distance*: of the mean sounds to those of the other clip, over sounds that are known
either way, in standard deviations of a mel band.

Whether words fit: *own* are the clip's, *another's* those of the next person, where of the same language.

{fits}
Measured on {machine.processor}, {machine.cores} cores, onnxruntime {runtime}.
"""
RATE_UNKNOWN = "These weights do not say what rate is usual: the rate stays as it is guessed from the clip alone."
RATE_KNOWN = "The rate is measured against what is usual, as `model.json` says."


def listened(engine: Engine, person: Person) -> dict[str, Profile] | None:
    """The person's profile in each way; None where the product refuses clip or words, as it would to a user."""
    try:
        alone, _ = engine.listen(person.reference)
        told, _ = engine.listen(person.reference, person.reference_words, person.language)
    except (BadAudio, BadText):
        return None
    return dict(zip(LISTENED, (alone, replace(told, prompt=None), told), strict=True))


def measured(engine: Engine, person: Person) -> tuple[Profile, Prompt] | None:
    """How the other clip was said."""
    try:
        profile, _ = engine.listen(person.other, person.words, person.language)
    except (BadAudio, BadText):
        return None
    sentence = text.sentence(person.words, person.language)
    whole = profile.prompt is not None and len(profile.prompt.ids) == len(sentence.ids)
    return (profile, profile.prompt) if whole and profile.prompt else None


def figures(ids: np.ndarray, durations: np.ndarray, pitch: np.ndarray, voiced: np.ndarray) -> tuple[float, float]:
    """Mean log length of the sounds among phonemes (P,), and semitones that pitch (P, 3) spreads where voiced."""
    sounds = np.array([not phonemes.is_pause(phonemes.SYMBOLS[number]) for number in ids])
    return float(np.log(durations[sounds]).mean()), SEMITONES * float(pitch[voiced & sounds].std())


def planned(engine: Engine, person: Person, profile: Profile, said: Prompt, accent: float, seed: int) -> np.ndarray:
    """`figures` of the plan of what was said, (2,). Raises BadText where the text is read in another way as a whole."""
    voice = Voice(person.name, person.language, profile, consent.own())
    request = Request(person.words, seed=seed, language=person.language, accent=accent)
    pieces = list(engine.stream(request, voice))
    if len(pieces) != 1 or len(pieces[0].sentence.ids) != len(said.ids):
        raise BadText("said in several pieces")
    plan = pieces[0].plan
    return np.array(figures(said.ids, plan.durations, plan.pitch, said.voiced))


def distances(ways: dict[str, Profile], other: Profile) -> dict[str, tuple[int, float]]:
    """How many sounds are known in each way, and how far their means lie from those of another clip."""
    tables = {name: ways[name].sounds for name in LISTENED[:2]}
    counts = np.array([found[:, -1] for found in [*tables.values(), other.sounds]])
    shared = (counts >= LEAST_FRAMES).all(axis=0)
    shared[0] = False  # silence is the room's, not the speaker's
    return {
        name: (
            int((found[1:, -1] >= LEAST_FRAMES).sum()),
            float(np.sqrt(((found[shared, :-1] - other.sounds[shared, :-1]) ** 2).mean())),
        )
        for name, found in tables.items()
    }


def fits(engine: Engine, people: Sequence[Person]) -> Iterator[tuple[str, float]]:
    """`transcript.misfit` of own and of another's words, for every person."""
    for person, other in zip(people, [*people[1:], people[0]], strict=True):
        posteriors = engine.aligner.log_posteriors(audio.log_mel(canonical(person.reference).samples))
        same = other if other.language == person.language else person
        for name, words in (("own", person.reference_words), ("another's", same.reference_words)):
            ids = text.sentence(words, person.language).ids
            if len(ids) <= len(posteriors) and (name == "own" or same is not person):
                yield name, transcript.misfit(posteriors, ids, laid(posteriors, ids))


def plan_rows(found: dict[tuple[str, float], np.ndarray], true: np.ndarray) -> list[list[str]]:
    rows = []
    for (name, accent), values in found.items():
        away = np.abs(values - true)
        follows = [np.corrcoef(values[:, column], true[:, column])[0, 1] for column in (0, 1)]
        length, spread = intervals.mean(np.expm1(away[:, 0]).tolist()), intervals.mean(away[:, 1].tolist())
        rows.append([name, f"{accent:g}", percent(length), f"{follows[0]:.2f}", figure(spread), f"{follows[1]:.2f}"])
    return rows


def fit_rows(found: Sequence[tuple[str, float]]) -> list[list[str]]:
    rows = []
    for name in ("own", "another's"):
        values = np.array([value for kind, value in found if kind == name])
        refused, doubted = values >= transcript.ANOTHER, values >= transcript.DOUBTFUL
        told = [f"{100 * share:.0f} %" for share in (1 - doubted.mean(), (doubted & ~refused).mean(), refused.mean())]
        rows.append([name, str(len(values)), f"{np.median(values):.2f}", *told])
    return rows


def page(engine: Engine, people: Sequence[Person], seeds: int) -> str:
    """The whole page."""
    plans: dict[tuple[str, float], list[np.ndarray]] = defaultdict(list)
    sounds: dict[str, list[tuple[int, float]]] = defaultdict(list)
    true = []
    for person in progress(people, "people", transient=True):
        ways, other = listened(engine, person), measured(engine, person)
        if ways is None or other is None:
            continue
        try:
            spoken = {
                (name, accent): np.mean(
                    [planned(engine, person, ways[name], other[1], accent, seed) for seed in range(seeds)], axis=0
                )
                for accent in ACCENTS
                for name in LISTENED
            }
        except BadText:
            continue
        for key, value in spoken.items():
            plans[key].append(value)
        said = other[1]
        true.append(figures(said.ids, said.durations, said.pitch, said.voiced))
        for name, value in distances(ways, other[0]).items():
            sounds[name].append(value)
    columns = ["what is known", "accent", "length of a sound", "follows", "spread of pitch", "follows"]
    heard = [
        [name, figure(intervals.mean([count for count, _ in rows])), figure(intervals.mean([away for _, away in rows]))]
        for name, rows in sounds.items()
    ]
    fitting = list(fits(engine, people))
    machine = about.machine()
    return PAGE.format(
        people=len(true),
        seeds=seeds,
        plans=table(columns, plan_rows({key: np.array(rows) for key, rows in plans.items()}, np.array(true))),
        rate=RATE_KNOWN if "rate" in engine.shape else RATE_UNKNOWN,
        sounds=table(["what is known", "sounds known", "distance"], heard),
        classes=CLASSES - 1,
        fits=table(["words", "clips", "misfit, median", "taken", "doubted", "refused"], fit_rows(fitting)),
        machine=machine,
        runtime=machine.packages["onnxruntime"],
    )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("corpus", type=Path)
    parser.add_argument("--models", type=Path, default=SHIPPED)
    parser.add_argument("--people", type=int)
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--write", type=Path)
    options = parser.parse_args()
    people = [person for person in held_out.people(options.corpus, options.people) if person.reference_words]
    written = page(Engine(options.models, options.threads), people, options.seeds)
    sections.publish(written, options.write)
    return 0


if __name__ == "__main__":
    sys.exit(main())
