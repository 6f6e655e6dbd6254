"""Where likeness and words are lost: held-out people through the vocoder alone, under their own plan, under ours.

    python bench/ablation.py CORPUS --judges DIR --models before=DIR --models after=DIR [--speakers 24]
    python bench/ablation.py CORPUS --judges DIR --commit before=33978d2 --commit after=HEAD --write docs/ablation.md

`copy` is a person's other clip through mel, pitch and vocoder, once for every vocoder. `true plan` says the words of
that clip with the durations, melody and loudness measured in it, cloned from the first clip. `own plan` says a
sentence of ours as a user would hear it. With --commit the weights are those of a commit, said by today's program; a
network that did not exist then is today's. Similarity is to the clip that was cloned, which holds other words than
any of the three.
"""

from __future__ import annotations

import argparse
import io
import shlex
import shutil
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import sections
from rich.progress import track as progress

from resay import acoustic, audio, pitch, reference, text
from resay.audio import FORMAT, Audio
from resay.errors import BadText
from resay.evaluate import held_out, intervals, sentences, speaking
from resay.evaluate.hearing import Utterance, hear, rows
from resay.evaluate.held_out import Person
from resay.evaluate.judges import Judges
from resay.evaluate.tables import figure, percent, table
from resay.synthesis import SHIPPED, Engine, standard_normal
from resay.voices import Voice


def said_as_measured(engine: Engine, person: Person, voice: Voice) -> Audio | None:
    """The words of the other clip under the plan measured in it; None where its text does not fit."""
    if not person.words:
        return None
    try:
        sentence = text.sentence(person.words, person.language)
    except BadText:
        return None
    sound = reference.canonical(person.other)
    mel, track = audio.log_mel(sound.samples), pitch.track(sound)
    if len(sentence.ids) + 2 > len(mel):
        return None
    durations = engine.aligner.align(mel, sentence.ids)
    loudness = audio.energy(mel) - audio.speech_level(mel)
    middle = pitch.middle_pitch(track)
    plan = acoustic.measured_plan(track, loudness, durations, middle)
    profile = reference.Profile(
        voice.profile.timbre, engine.reference.style(mel, track), middle, voice.profile.sounds, voice.profile.adapter
    )
    meaning, shifts = engine.semantic.vectors(sentence, None), engine.shifts(voice)
    made, hertz = engine.acoustic.render(sentence.ids, plan, profile, np.zeros, meaning, shifts)
    random = np.random.Generator(np.random.Philox(0))
    return engine.vocoder.decode(made, hertz, partial(standard_normal, random))


@dataclass(frozen=True, eq=False)
class Way:
    """One way to come by a sound, and what the speaker encoders make of it."""

    name: str
    utterance: Utterance
    cloned: Audio


def ways(label: str, engine: Engine, people: list[Person], copied: bool) -> Iterator[Way]:
    """Every person in all ways that weights have, copies among them or not."""
    for place, person in enumerate(progress(people, label, transient=True)):
        voice = speaking.clone(engine, person)
        if voice is None:
            continue
        (own,) = speaking.own_sentences(sentences.unseen(person.language), place, 1)
        planned = speaking.speak(engine, voice, own, person.language, 42, label).utterance.audio
        found = {
            "copy": (speaking.copy_synthesis(engine.vocoder, person.other) if copied else None, person.words),
            "true plan": (said_as_measured(engine, person, voice), person.words),
            "own plan": (planned, own),
        }
        for name, (sound, words) in found.items():
            if sound is not None:
                system = f"{label}, {name}"
                yield Way(system, Utterance(system, person.language, person.name, words, sound), person.reference)


def sharpness(sound: Audio) -> float:
    """How much log mels change from one band to the next, mean over loud frames: blur lowers it."""
    mel = audio.log_mel(sound.resampled(FORMAT.sample_rate).samples)
    loud = mel[audio.energy(mel) > audio.speech_level(mel) - 2.0]
    return float(np.abs(np.diff(loud, axis=1)).mean())


def of_commit(commit: str, folder: Path) -> Path:
    """The weights that a commit ships, unpacked into a folder, and of today's what it lacks.

    Raises CalledProcessError where git has no such commit.
    """
    packed = subprocess.run(["git", "archive", commit, "src/resay/models"], capture_output=True, check=True).stdout
    with tarfile.open(fileobj=io.BytesIO(packed)) as archive:
        archive.extractall(folder, filter="data")
    weights = folder / "src" / "resay" / "models"
    for graph in SHIPPED.glob("*.onnx"):
        if not (weights / graph.name).exists():
            shutil.copy(graph, weights)
    return weights


def measured(folders: Mapping[str, Path], people: list[Person], threads: int) -> Iterator[Way]:
    """Everybody in every way of every folder of weights; copies by each vocoder once."""
    vocoders = set[str]()
    for label, folder in folders.items():
        engine = Engine(folder, threads=threads)
        digest = engine.digests["vocoder"]
        yield from ways(label, engine, people, copied=digest not in vocoders)
        vocoders.add(digest)


def rows_of(found: list[Way], judges: Judges, words: bool) -> str:
    """A Markdown table with a row for each way and language."""
    hearings = [hear(way.utterance, judges if words else Judges(dnsmos=judges.dnsmos)) for way in found]
    heard = {(row.system, row.language): row for row in rows(hearings)}
    cells = []
    for (system, language), row in heard.items():
        own = [way for way in found if way.name == system and way.utterance.language == language]
        likeness = [
            intervals.mean([float(encoder.embed(way.utterance.audio) @ encoder.embed(way.cloned)) for way in own])
            for encoder in judges.encoders
        ]
        sharp = intervals.mean([sharpness(way.utterance.audio) for way in own])
        cells.append(
            [
                system,
                language,
                str(row.count),
                *map(figure, likeness),
                percent(row.error_rate),
                figure(row.quality),
                figure(sharp),
            ]
        )
    names = ["way", "language", "n", *(encoder.name for encoder in judges.encoders), "CER / WER", "DNSMOS", "sharpness"]
    return table(names, cells)


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("corpus", type=Path)
    parser.add_argument("--judges", type=Path, required=True)
    parser.add_argument("--models", action="append", default=[], metavar="NAME=DIR")
    parser.add_argument("--commit", action="append", default=[], metavar="NAME=COMMIT")
    parser.add_argument("--speakers", type=int, default=24)
    parser.add_argument("--no-words", action="store_true", help="without the recogniser, the slowest judge")
    parser.add_argument("--keep", type=Path, help="a file of judges' answers, read and added to")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--write", type=Path)
    options = parser.parse_args()
    judges = Judges.open(options.judges, options.threads, options.keep)
    people = held_out.people(options.corpus, options.speakers)
    with tempfile.TemporaryDirectory() as place:
        named = dict(entry.split("=", 1) for entry in options.commit)
        folders = {label: of_commit(commit, Path(place) / label) for label, commit in named.items()}
        folders |= {label: Path(folder) for label, folder in (entry.split("=", 1) for entry in options.models)}
        found = list(measured(folders or {"shipped": SHIPPED}, people, options.threads))
    shown = rows_of(found, judges, not options.no_words)
    print(shown)
    if options.write:
        own = {str(options.corpus): "CORPUS", str(options.judges): "DIR", str(options.keep): "FILE"}
        made = sections.made_by(shlex.join(["python", "bench/ablation.py", *(own.get(it, it) for it in sys.argv[1:])]))
        sections.write(options.write, "ablation", f"{made}\n\n{shown}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
