"""One run of all judges over all that is to be judged, and what it found."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from .. import audio
from ..errors import BadOption
from ..onnx_graph import OnnxGraph
from ..synthesis import Engine
from ..vocoder import Vocoder
from ..voices import Voice
from . import finished, held_out, likeness, rivals, sentences, speaking
from .hearing import Hearing, Row, Utterance, hear, rows
from .held_out import Person
from .judges import Judges
from .likeness import Case, Likeness
from .norms import Timing
from .rivals import Rival
from .sentences import Text
from .speaking import Spoken


@dataclass(frozen=True)
class Options:
    """What to judge, and how much of it."""

    languages: tuple[str, ...] = sentences.LANGUAGES
    sentences: int | None = None
    """Of each language and voice; None for all."""
    speakers: int | None = None
    """Held-out people to clone; None for all."""
    clone_sentences: int = 2
    """Of each clone."""
    seed: int = 42
    texts: tuple[Text, ...] = ()
    """What is said instead of our own sentences, a text for each language at most. Raises BadOption for another one."""

    def __post_init__(self) -> None:
        for text in self.texts:
            if text.language not in self.languages:
                raise BadOption(f"--text {text.language}={text.file}: {text.language} is not judged; see --language")

    def said(self, language: str) -> list[str]:
        """The sentences of a language. Raises BadOption as `sentences.unseen` does."""
        return sentences.unseen(language, self.sentences, self.texts)


@dataclass(frozen=True)
class Plans:
    """What the plans say, without any judge."""

    language: str
    utterances: int
    monotonic: float
    """Share of utterances whose every phoneme has its own stretch of sound, in order."""
    rate: float
    """Phonemes a second, mean."""
    rate_score: float
    """Standard deviations from the corpus' rate, mean over pieces."""
    strange: float
    """Share of phonemes more than three standard deviations from their usual length."""


@dataclass
class Evaluation:
    """Everything that was heard, growing while the run goes on."""

    judges: Judges
    options: Options
    step: Callable[[str], None] = lambda _: None
    """Told after every utterance what it was, for a progress bar."""
    hearings: list[Hearing] = field(default_factory=list)
    spoken: list[tuple[str, bool, tuple[Timing, ...]]] = field(default_factory=list)
    """Language, whether monotonic, timings of every utterance that the engine spoke."""
    cases: list[Case] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)
    """Held-out speakers whose clip the product does not take."""

    def hear(self, utterances: Iterable[Utterance]) -> None:
        for utterance in utterances:
            self.hearings.append(hear(utterance, self.judges))
            self.step(utterance.system)

    def say(self, spoken: Iterable[Spoken]) -> None:
        for one in spoken:
            self.spoken.append((one.utterance.language, one.monotonic, one.timings))
            self.hear([one.utterance])

    def default_voices(self, engine: Engine, voices: Sequence[Voice]) -> None:
        """Raises BadOption where no voice speaks one of the languages."""
        for language in self.options.languages:
            if not any(voice.language == language for voice in voices):
                raise BadOption(f"no voice in {language}; name one with --voice or leave the language out")
            texts = self.options.said(language)
            self.say(speaking.default_voices(engine, voices, language, texts, self.options.seed))

    def rival(self, rival: Rival) -> None:
        """What the default voices say, said by another system. Raises BadOption where it has none of the languages."""
        languages = [language for language in self.options.languages if language in rival.voices]
        if not languages:
            raise BadOption(f"{rival.facts.system} speaks {' and '.join(rival.voices)} only; leave it out")
        for language in languages:
            self.hear(rivals.utterances(rival, language, self.options.said(language)))

    def finished(self, folder: Path) -> None:
        """Another system's audio, read one by one."""
        for task in finished.read(folder):
            if task.language in self.options.languages:
                self.hear([Utterance(task.system, task.language, task.speaker, task.text, audio.read(task.path))])

    def recordings(self, corpus: Path, vocoder: Path | None) -> None:
        """Held-out people as they are, and through the vocoder alone where its graph is given."""
        for language in self.options.languages:
            count = self.options.sentences or len(self.options.said(language))
            recordings = held_out.recordings(corpus, language, count)
            self.hear(speaking.people(recordings))
            if vocoder:
                self.hear(speaking.copies(Vocoder(OnnxGraph(vocoder)), recordings))

    def clones(self, engine: Engine, corpus: Path) -> None:
        """Every held-out speaker: clone from one clip, speak, compare with another clip and nine strangers."""
        people = [person for person in held_out.people(corpus) if person.language in self.options.languages]
        languages = {person.name: person.language for person in people}
        encoders, embedded = self.judges.encoders, self.judges.embedded
        others = [{person.name: embedded(encoder, person.other) for person in people} for encoder in encoders]
        for place, person in enumerate(people[: self.options.speakers]):
            said = self._clone(engine, person, place)
            if not said:
                continue
            strangers = likeness.strangers_of(person.name, person.language, languages)
            for encoder, known in zip(encoders, others, strict=True):
                vectors = np.stack([embedded(encoder, utterance.audio) for utterance in said])
                foreign = np.stack([known[name] for name in strangers])
                self.cases.append(
                    likeness.case(
                        *(person.name, person.language, person.set, vectors, embedded(encoder, person.reference)),
                        *(known[person.name], foreign, encoder.name),
                    )
                )

    def _clone(self, engine: Engine, person: Person, place: int) -> list[Utterance]:
        voice = speaking.clone(engine, person)
        if voice is None:
            self.refused.append(person.name)
            return []
        known = sentences.unseen(person.language, own=self.options.texts)
        texts = speaking.own_sentences(known, place, self.options.clone_sentences)
        seed = self.options.seed
        said = [speaking.speak(engine, voice, text, person.language, seed, speaking.CLONES) for text in texts]
        self.say(said)
        return [one.utterance for one in said]

    def rows(self) -> list[Row]:
        return rows(self.hearings)

    def voice_rows(self) -> list[Row]:
        """The default voices one by one."""
        own = [hearing for hearing in self.hearings if hearing.system == speaking.DEFAULT_VOICES]
        return rows(own, lambda hearing: (hearing.speaker, hearing.language))

    def likeness(self) -> list[Likeness]:
        return likeness.summaries(self.cases)

    def plans(self) -> list[Plans]:
        return [_plans(language, self.spoken) for language in dict.fromkeys(language for language, _, _ in self.spoken)]


def _plans(language: str, spoken: list[tuple[str, bool, tuple[Timing, ...]]]) -> Plans:
    own = [(monotonic, timings) for name, monotonic, timings in spoken if name == language]
    timings = [timing for _, several in own for timing in several]
    return Plans(
        language=language,
        utterances=len(own),
        monotonic=float(np.mean([monotonic for monotonic, _ in own])),
        rate=float(np.mean([timing.rate for timing in timings])),
        rate_score=float(np.mean([timing.rate_score for timing in timings])),
        strange=sum(timing.strange for timing in timings) / max(sum(timing.phonemes for timing in timings), 1),
    )
