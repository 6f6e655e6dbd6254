"""The engine: text and a voice in, speech out, the same for the same seed.

Letters in shapes: S samples, P phonemes.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np

from . import acoustic, shared_adapter, text
from .acoustic import Acoustic
from .aligner import Aligner
from .audio import FORMAT, Audio
from .consent import Use
from .errors import BadOption, BadRequest, BrokenModel
from .onnx_graph import OnnxGraph
from .prosody import Codes, Plan, ProsodyModel, Sampling
from .reference import Profile, Reference, Report
from .shared_adapter import SharedAdapter
from .text import Lexicon, Sentence
from .vocoder import Vocoder
from .voices import Voice

SHIPPED = Path(__file__).parent / "models"
HIGHEST_SEED = 2**63 - 1
SLOWEST, FASTEST = 0.25, 4.0
STRONGEST_STYLE = 2.0
GRAPHS = (
    "reference",
    "aligner",
    "prosody_text",
    "prosody_steps",
    "prosody_heads",
    "acoustic_encoder",
    "acoustic_decoder",
    "vocoder",
)
STAGES = {"prosody": 1, "acoustic": 2, "vocoder": 3}
"""Numbers of the stages that use randomness; each has a stream of its own."""


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
    accent: float = 1.0
    """How far the speaker's own way of speaking is kept: 0 speaks as a native of the text's language would."""
    sample_rate: int = FORMAT.sample_rate

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
        if self.sample_rate != FORMAT.sample_rate:
            raise BadOption(f"this model speaks at {FORMAT.sample_rate} Hz, not at {self.sample_rate} Hz")


@dataclass(frozen=True, eq=False)
class Piece:
    """One spoken sentence, or part of a long one."""

    index: int
    sentence: Sentence
    plan: Plan
    audio: Audio


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

    `adapter` is what many speakers taught the prosody model together. Raises BadFile where it is for other weights.
    """

    def __init__(
        self,
        models: Path | None = None,
        threads: int = 2,
        provider: str = "cpu",
        adapter: SharedAdapter | None = None,
    ) -> None:
        folder = models or SHIPPED
        self.shape = model_shape(folder)
        graphs = {name: OnnxGraph(folder / f"{name}.onnx", threads, provider) for name in GRAPHS}
        self.digests = {name: graph.digest for name, graph in graphs.items()}
        if adapter is not None:
            adapter.fit(self.digests)
            self.digests[shared_adapter.STAGE] = adapter.digest
        try:
            codes = Codes(**{name: np.array(self.shape["codes"][name], dtype=np.float32) for name in CODE_NAMES})
            style = [np.array(self.shape[name], dtype=np.float32) for name in ("style_mean", "style_spread")]
            guides = {language: np.array(rows, dtype=np.float32) for language, rows in self.shape["guides"].items()}
            cache, strength = tuple(self.shape["cache"]), float(self.shape["latent_strength"])
        except (KeyError, TypeError, ValueError) as error:
            raise BrokenModel(f"{folder / 'model.json'}: damaged ({error}); reinstall resay") from error
        self.aligner = Aligner(graphs["aligner"])
        self._guides = guides
        self.reference = Reference(graphs["reference"], self.aligner, *style)
        self.prosody = ProsodyModel(
            graphs["prosody_text"], graphs["prosody_steps"], graphs["prosody_heads"], codes, cache, adapter
        )
        self.acoustic = Acoustic(graphs["acoustic_encoder"], graphs["acoustic_decoder"], strength)
        self.vocoder = Vocoder(graphs["vocoder"])

    def listen(self, sound: Audio) -> tuple[Profile, Report]:
        """Profile and quality report of a clip. Raises BadAudio where the clip is no use as a reference."""
        return self.reference.listen(sound)

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
        read = partial(text.sentences, request.text, request.language, lexicon, voice.language)
        if plans is not None and [len(plan.durations) for plan in plans] != [len(s.phonemes) for s in read()]:
            raise BadRequest("the plans do not fit the text: it reads differently now")
        sentences = read()
        first = next(sentences)  # what the text frontend refuses, it refuses before the first sentence
        manner = (style or voice.profile).style * request.style_strength
        profile = replace(voice.profile, style=manner.astype(np.float32))

        def pieces() -> Iterator[Piece]:
            for index, sentence in enumerate(chain([first], sentences)):
                plan = plans[index] if plans is not None else self._plan(request, sentence, profile, index)
                yield Piece(index, sentence, plan, self._render(request.seed, sentence, plan, profile, index))

        return pieces()

    def say(self, request: Request, voice: Voice, **options: Any) -> Speech:
        """The whole of what `stream` gives, joined. Takes the same options."""
        pieces = tuple(self.stream(request, voice, **options))
        return Speech(Audio.join(piece.audio for piece in pieces), pieces)

    def _planning_timbre(self, sentence: Sentence, timbre: np.ndarray, accent: float) -> np.ndarray:
        """Whose delivery is planned, (192,): the speaker's own, or on the way to the native voice most like them."""
        guides = self._guides[sentence.language]
        native = guides[int((guides @ timbre).argmax())]
        mixed = accent * timbre + (1.0 - accent) * native
        return (mixed / np.linalg.norm(mixed)).astype(np.float32)

    def _plan(self, request: Request, sentence: Sentence, profile: Profile, index: int) -> Plan:
        random = stream_of_randomness(request.seed, index, "prosody")
        speaking = replace(profile, timbre=self._planning_timbre(sentence, profile.timbre, request.accent))
        plan = self.prosody.plan(sentence.ids, speaking, random, request.sampling)
        plan = acoustic.with_speed(acoustic.with_short_ends(plan), request.speed)
        durations = plan.durations.copy()
        for position, seconds in sentence.breaks.items():
            durations[position] = max(1, round(seconds * FORMAT.frame_rate))
        return replace(plan, durations=durations)

    def _render(self, seed: int, sentence: Sentence, plan: Plan, profile: Profile, index: int) -> Audio:
        noise = standard_normal(stream_of_randomness(seed, index, "acoustic"), self.acoustic.noise_shape(plan))
        mel, pitch = self.acoustic.render(sentence.ids, plan, profile, noise)
        hiss = standard_normal(stream_of_randomness(seed, index, "vocoder"), self.vocoder.noise_shape(len(mel)))
        return self.vocoder.decode(mel, pitch, hiss)


CODE_NAMES = ("durations", "pitch", "energy")


def model_shape(folder: Path) -> dict[str, Any]:
    """What `model.json` beside the graphs says. Raises BrokenModel where it is missing, damaged, of another version."""
    path = folder / "model.json"
    try:
        shape: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        table = shape["phoneme_table"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise BrokenModel(f"{path}: no model there, or a damaged one; reinstall resay") from error
    if table != text.phonemes.VERSION:
        raise BrokenModel(f"{path}: made for phoneme table {table}, this is {text.phonemes.VERSION}; update resay")
    return shape
