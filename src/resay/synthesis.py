"""The engine: text and a voice in, speech out, the same for the same seed.

Letters in shapes: S samples, P phonemes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from functools import cached_property, partial
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np

from . import acoustic, shared_adapter, text, transcript, upper_band, weights
from .acoustic import Acoustic
from .aligner import Aligner, certainty
from .audio import FORMAT, SAMPLE_RATES, Audio, resampled
from .consent import Use
from .errors import BadOption, BadRequest, BrokenModel
from .onnx_graph import OnnxGraph
from .own_sounds import Line
from .planning import Planning
from .prosody import Codes, Plan, ProsodyModel, Sampling
from .reference import RATE, Profile, Reference, Report, UsualRate
from .semantic import SemanticEncoder
from .shared_adapter import SharedAdapter
from .text import Lexicon, Sentence
from .upper_band import UpperBand
from .vocoder import Vocoder
from .voices import Voice

SHIPPED = Path(__file__).parent / "models"
HIGHEST_SEED = 2**63 - 1
SLOWEST, FASTEST = 0.25, 4.0
STRONGEST_STYLE = 2.0
STAGES = {"prosody": 1, "acoustic": 2, "vocoder": 3, "upper_band": 4}
"""Numbers of the stages that use randomness; each has a stream of its own."""


Reader = Callable[[str, str, Lexicon | None, str], Iterator[Sentence]]


@dataclass(frozen=True)
class Request:
    """What is to be said, and how. Voices travel beside it."""

    text: str
    seed: int = 42
    """Decides everything that is drawn by chance: the same seed says it the same way."""
    language: str = "auto"
    """`zh`, `en`, or `auto`: how a text without letters of its own, such as a number, is read."""
    speed: float = 1.0
    """Rate of speech; 2.0 is twice as fast."""
    sampling: Sampling = field(default_factory=Sampling)
    style_strength: float = 1.0
    """How much of the style: 0 is ordinary speech, 1 as the clip, 2 twice as far."""
    accent: float = 0.0
    """How far the speaker's own accent is kept: 0 takes timing and melody of a native of the text's language.

    Rate, pauses and liveliness are those of the style, whatever this is."""
    sample_rate: int = FORMAT.sample_rate
    """Samples a second; at 32,000 the second head says what lies above 12 kHz."""
    context: bool = False
    """Whether a sentence is planned with the end of the one before it in sight."""

    @property
    def bandwidth(self) -> int:
        """Hz above which there is nothing to hear: half the rate."""
        return self.sample_rate // 2

    def __post_init__(self) -> None:
        if isinstance(self.seed, bool) or not isinstance(self.seed, int) or not 0 <= self.seed <= HIGHEST_SEED:
            raise BadOption(f"seed {self.seed} is outside 0 to {HIGHEST_SEED}")
        if self.language not in ("auto", "zh", "en"):
            raise BadOption(f"unknown language {self.language!r}; choose zh, en or auto")
        if not SLOWEST <= self.speed <= FASTEST:
            raise BadOption(f"speed {self.speed:g} is outside {SLOWEST:g} to {FASTEST:g}")
        if not 0.0 <= self.style_strength <= STRONGEST_STYLE:
            raise BadOption(f"style strength {self.style_strength:g} is outside 0 to {STRONGEST_STYLE:g}")
        if not 0.0 <= self.accent <= 1.0:
            raise BadOption(f"accent {self.accent:g} is outside 0 to 1")
        if self.sample_rate not in SAMPLE_RATES:
            raise BadOption(f"sample rate {self.sample_rate} is not offered; use {' or '.join(map(str, SAMPLE_RATES))}")


class Piece:
    """One spoken sentence, or part of a long one. Its sound is made when it is asked for, and once."""

    def __init__(self, index: int, sentence: Sentence, plan: Callable[[], Plan], sound: Iterator[Audio]) -> None:
        self.index = index
        self.sentence = sentence
        self._plan = plan
        self._sound = sound
        self._made: list[Audio] = []

    @property
    def plan(self) -> Plan:
        """How the whole of it is said."""
        return self._plan()

    def parts(self) -> Iterator[Audio]:
        """The sound in the parts in which it is made, a short one first; joined they are `audio`, bit for bit."""
        yield from self._made
        for part in self._sound:
            self._made.append(part)
            yield part

    @cached_property
    def audio(self) -> Audio:
        return Audio.join(self.parts())


@dataclass(frozen=True, eq=False)
class Speech:
    """A whole text, spoken."""

    audio: Audio
    pieces: tuple[Piece, ...]


def stream_of_randomness(seed: int, piece: int, stage: str) -> np.random.Generator:
    """A generator of its own for every (seed, piece, stage): nothing depends on order, threads or what was said before.

    Philox (Salmon et al. 2011) counts instead of keeping state, so equal keys give equal numbers on every machine.
    """
    key = np.array([seed, piece << 8 | STAGES[stage]], dtype=np.uint64)
    return np.random.Generator(np.random.Philox(key=key))


def standard_normal(random: np.random.Generator, shape: int | tuple[int, ...]) -> np.ndarray:
    """Gaussian noise, float32."""
    return random.standard_normal(shape, dtype=np.float32)


class Engine:
    """The weights, loaded once. It keeps nothing between requests, so any number of threads may share one.

    `read` gives the sentences of a text: `text.sentences`, or what gives the same sooner.
    `adapter` is what many speakers taught the prosody model together. Raises BadFile where it is for other weights.
    """

    def __init__(
        self,
        models: Path | None = None,
        threads: int = 2,
        provider: str = "cpu",
        engine_cache: Path | None = None,
        read: Reader = text.sentences,
        adapter: SharedAdapter | None = None,
    ) -> None:
        """Load the networks; the other arguments are those of `OnnxGraph`. Raises BrokenModel, BadOption."""
        self._read = read
        folder = models or SHIPPED
        self.shape = weights.model_shape(folder)
        self.identity = weights.identity(self.shape)
        small, halved = _form(self.shape)
        graphs = {
            name: OnnxGraph(
                folder / f"{name}.onnx", threads, provider, engine_cache, small, halved, later=name in WANTED_LATER
            )
            for name in weights.GRAPHS
        }
        self.digests = weights.digests_of({name: graph.digest for name, graph in graphs.items()}, self.shape)
        for name in weights.strangers(self.digests, self.shape):
            hint = "reinstall resay or export the model again"
            raise BrokenModel(f"{folder / weights.file_of(name)}: is not what model.json was written for; {hint}")
        if adapter is not None:
            adapter.fit(self.digests)
            self.digests[shared_adapter.STAGE] = adapter.digest
        self._graphs = tuple(graphs.values())
        self.runs_on = frozenset(graph.runs_on for name, graph in graphs.items() if name not in WANTED_LATER)
        """onnxruntime's names of the providers that were found."""
        try:
            codes = Codes(**{name: np.array(self.shape["codes"][name], dtype=np.float32) for name in CODE_NAMES})
            mean, spread = (np.array(self.shape[name], dtype=np.float32) for name in ("style_mean", "style_spread"))
            guessed, self._usual_rate = _rate(self.shape, len(mean))
            guides = {language: np.array(rows, dtype=np.float32) for language, rows in self.shape["guides"].items()}
            cache, strength = tuple(self.shape["cache"]), float(self.shape["latent_strength"])
            rehearsal, certain = _rehearsal(self.shape), certainty(self.shape)
        except (KeyError, TypeError, ValueError) as error:
            raise BrokenModel(f"{folder / 'model.json'}: damaged ({error}); reinstall resay") from error
        self.aligner = Aligner(graphs["aligner"], certain)
        self._guides = guides
        self.reference = Reference(graphs["reference"], self.aligner, mean, spread, guessed)
        self.prosody = ProsodyModel(
            graphs["prosody_text"], graphs["prosody_steps"], graphs["prosody_heads"], codes, cache, adapter
        )
        self.codes = codes
        self.takes_adapters = "adapter" in graphs["acoustic_decoder"].shapes
        """Whether voices can be tuned on these weights."""
        self.takes_ranks = "ranks" in graphs["acoustic_decoder"].shapes
        """Whether a tuned voice may change the decoder's matrices."""
        self.acoustic = Acoustic(graphs["acoustic_encoder"], graphs["acoustic_decoder"], strength, rehearsal)
        self.vocoder = Vocoder(graphs["vocoder"])
        self.upper_band = UpperBand(graphs["upper_band"])
        self.semantic = SemanticEncoder(graphs["semantic"])

    def listen(self, sound: Audio, words: str | None = None, language: str = "auto") -> tuple[Profile, Report]:
        """Profile and quality report of a clip; surer, and with a prompt, where its words are told.

        `language` is as in `Request`, for the words. Raises BadAudio where the clip is no use as a reference, BadText
        where the words cannot be read or are not those of the clip.
        """
        profile, report = self.reference.listen(sound)
        if words is None:
            return profile, report
        said = text.sentence(words, language)
        return transcript.informed(profile, report, sound, said, self.aligner, self.semantic, self._usual_rate)

    def stream(
        self,
        request: Request,
        voice: Voice,
        *,
        today: date | None = None,
        style: Profile | None = None,
        lexicon: Lexicon | None = None,
        plans: Sequence[Plan] | None = None,
    ) -> Iterator[Piece]:
        """Check everything now; then yield one piece of audio after the other, and keep none of them.

        `style` lends the manner of another profile, `plans` are spoken instead of sampling new ones.
        Raises ConsentMissing, BadText or another BadRequest before the first piece.
        """
        voice.consent.require(Use.SPEAK, today or date.today())
        own = voice.profile.adapter
        if own is not None and own.model != self.identity:
            raise BadRequest(f"{voice.name} was tuned for other weights; tune it again with `resay tune`")
        read = partial(self._read, request.text, request.language, lexicon, voice.language)
        if plans is not None and [len(plan.durations) for plan in plans] != [len(s.phonemes) for s in read()]:
            raise BadRequest("the plans do not fit the text: it reads differently now")
        sentences = read()
        first = next(sentences)  # what the text frontend refuses, it refuses before the first sentence
        lent = style or voice.profile
        manner = (lent.style * request.style_strength).astype(np.float32)
        profile = replace(voice.profile, style=manner, prompt=lent.prompt if request.style_strength else None)

        def pieces() -> Iterator[Piece]:
            before, shifts = None, self.shifts(voice)
            for index, sentence in enumerate(chain([first], sentences)):
                meaning = self.semantic.vectors(sentence, before)
                if plans is not None:
                    planning = Planning.of(plans[index])
                else:
                    planning = self._planning(request, sentence, profile, index, meaning)
                sound = self._render(request, sentence, planning, profile, index, meaning, shifts)
                yield Piece(index, sentence, planning.whole, sound)
                before = sentence if request.context else None

        return pieces()

    def say(self, request: Request, voice: Voice, **options: Any) -> Speech:
        """The whole of what `stream` gives, joined. Takes the same options."""
        pieces = tuple(self.stream(request, voice, **options))
        return Speech(Audio.join(piece.audio for piece in pieces), pieces)

    def relieve(self, voice: Voice) -> None:
        """Give back the memory that is kept to be quicker the next time. What is said later changes in nothing.

        A voice is needed because networks give theirs back when they run: it says a word that nobody hears.
        """
        text.forget()
        self.acoustic.forget()
        for graph in self._graphs:
            graph.shrink()
        self.say(Request("a", language="en"), voice)

    def shifts(self, voice: Voice) -> np.ndarray | None:
        """What is added to the sounds of a voice, (K, M); None for the natives, whom the weights know best."""
        native = any((guides @ voice.profile.timbre).max() > NATIVE for guides in self._guides.values())
        return None if native else self.acoustic.shifts(voice.profile, voice.digest)

    def planning_timbre(self, language: str, profile: Profile, accent: float = 0.0) -> np.ndarray:
        """Whose delivery is planned, (192,): that of the native voice most like the speaker, on the way to their own.

        Of a tuned voice too: what tuning has learnt of its rhythm and melody is said on top of the native's.
        """
        guides = self._guides[language]
        native = guides[int((guides @ profile.timbre).argmax())]
        mixed = accent * profile.timbre + (1.0 - accent) * native
        return (mixed / np.linalg.norm(mixed)).astype(np.float32)

    def _planning(
        self, request: Request, sentence: Sentence, profile: Profile, index: int, meaning: np.ndarray
    ) -> Planning:
        random = stream_of_randomness(request.seed, index, "prosody")
        speaking = replace(profile, timbre=self.planning_timbre(sentence.language, profile, request.accent))
        # Melody and timing of another language would be an accent.
        fits = profile.prompt is not None and profile.prompt.language == sentence.language
        prompt = profile.prompt if fits else None
        tokens = self.prosody.tokens(sentence.ids, speaking, random, request.sampling, meaning, prompt)
        count = len(sentence.ids)

        def finished(plan: Plan) -> Plan:
            known = len(plan.durations)
            plan = acoustic.with_audible_sounds(acoustic.with_short_ends(plan, count), sentence.ids[:known])
            plan = acoustic.with_speed(plan, request.speed)
            durations = plan.durations.copy()
            for position, seconds in sentence.breaks.items():
                if position < known:
                    durations[position] = max(1, round(seconds * FORMAT.frame_rate))
            return replace(plan, durations=durations)

        return Planning(tokens, count, self.codes, finished)

    def _render(
        self,
        request: Request,
        sentence: Sentence,
        planning: Planning,
        profile: Profile,
        index: int,
        meaning: np.ndarray,
        shifts: np.ndarray | None,
    ) -> Iterator[Audio]:
        def noise(stage: str) -> Callable[[int | tuple[int, ...]], np.ndarray]:
            return partial(standard_normal, stream_of_randomness(request.seed, index, stage))

        parts = self.acoustic.stream(sentence.ids, planning, profile, noise("acoustic"), meaning, shifts)
        if request.sample_rate == FORMAT.sample_rate:
            yield from self.vocoder.stream(parts, noise("vocoder"))
            return
        mel, voiced, pitch = (np.concatenate(column) for column in zip(*parts, strict=True))
        sound = self.vocoder.stream([(mel, voiced, pitch)], noise("vocoder"))
        heard = np.where(voiced, pitch, 0.0)
        above = self.upper_band.samples(mel, heard, noise("upper_band")(self.upper_band.noise_shape(len(mel))))
        yield from upper_band.added(resampled(sound, request.sample_rate), above)


WANTED_LATER = ("reference", "aligner", "upper_band")
"""Graphs that speaking with a voice from the library does without."""
CODE_NAMES = ("durations", "pitch", "energy")
NATIVE = 0.999
"""Cosine from which a timbre is a native's own."""
REHEARSAL = "rehearsal"


def _form(shape: Mapping[str, Any]) -> tuple[bool, bool]:
    """Whether the weights that `model.json` describes shall take little memory, and whether they compute in 16 bits."""
    precision = shape.get("precision", {})
    halved = precision.get("parameters") == "fp16" and precision.get("for") in ("cuda", "tensorrt")
    return bool(precision.get("small")), halved


def _rate(shape: Mapping[str, Any], statistics: int) -> tuple[np.ndarray, UsualRate | None]:
    """How `model.json` guesses the rate from the statistics of style, and what it measures it against.

    Weights from before there was either know the rate as what is counted, and do not measure it.
    """
    guessed = np.array(shape.get("rate_weights", np.eye(statistics)[RATE]), dtype=np.float32)
    known = shape.get("rate")
    if known is None:
        return guessed, None
    usual = UsualRate(np.array(known["usual"], dtype=np.float32), float(known["mean"]), float(known["spread"]))
    if usual.lengths.shape != (len(text.phonemes.SYMBOLS),) or not usual.spread > 0:
        raise ValueError("rate")
    return guessed, usual


def _rehearsal(shape: Mapping[str, Any]) -> dict[str, list[Line]]:
    """What voices rehearse, by language; nothing on weights from before there was a rehearsal."""
    known = shape.get(REHEARSAL, {})
    return {language: [Line.from_json(line) for line in lines] for language, lines in known.items()}
