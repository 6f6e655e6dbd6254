"""Other people's networks before the same judges: Kokoro-82M v1.0 and Piper's voices, by ONNX Runtime.

They get the sentences as our own text frontend reads them, so that what is compared is how they are said. That is not
quite what the rivals' own readers would have written, and where it differs the rival is the worse for it.
"""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from .. import text
from ..audio import FORMAT, Audio
from ..errors import BadFile, BadOption, BrokenModel
from ..inference import onnxruntime
from ..onnx_graph import OnnxGraph
from . import rival_phonemes
from .hearing import Utterance

KOKORO_VOICES = {"zh": ("zf_xiaobei", "zm_yunjian"), "en": ("af_heart", "am_michael")}
STYLES, STYLE_WIDTH = 510, 256
"""Of a voice of Kokoro's: one style for every count of tokens."""
KOKORO_RATE = FORMAT.sample_rate
"""Kokoro's, which happens to be ours."""


@dataclass(frozen=True)
class Facts:
    """What a report says about a rival."""

    system: str
    option: str
    """How it was asked for, with the path left out."""
    voices: tuple[str, ...]
    digest: str = ""
    bytes: int = 0
    """Of the network."""


class Rival(ABC):
    """One system with its network and voices."""

    def __init__(
        self,
        facts: Facts,
        voices: Mapping[str, tuple[str, ...]],
        network: Path,
        threads: int,
        seed: int,
        inputs: Collection[str],
    ) -> None:
        """Raises BadFile where the network is none or takes other inputs; `sid`, a speaker's number, may be there."""
        if not network.is_file():
            raise BadFile(f"{network}: there is no such network")
        # Rivals draw their noise inside the graph, where no run can reach it.
        onnxruntime.set_seed(seed)
        try:
            self._graph = OnnxGraph(network, threads)
        except BrokenModel as error:
            raise BadFile(f"{network}: not a network that ONNX Runtime can load") from error
        found = self._graph.inputs
        if not set(inputs) <= set(found) <= {*inputs, "sid"}:
            raise BadFile(f"{network}: takes {', '.join(found) or 'nothing'}, not {', '.join(inputs)}")
        self._network = network
        self.threads, self.voices = threads, voices
        """Voices by language; languages that it cannot speak are left out."""
        self.facts = replace(facts, digest=self._graph.digest, bytes=network.stat().st_size)

    @abstractmethod
    def say(self, words: str, language: str, voice: str) -> Iterator[Audio]:
        """The text, piece by piece. Raises BadFile where the network fails."""

    def _samples(self, **inputs: np.ndarray) -> np.ndarray:
        """What the network makes of its inputs, float32 (S,)."""
        output = self._graph.outputs[0]
        try:
            return self._graph.run([output], **inputs)[output].reshape(-1).astype(np.float32)
        except Exception as error:  # onnxruntime raises a family of its own, unrelated classes
            raise BadFile(f"{self._network}: the network does not run ({str(error).splitlines()[0]})") from error


class Kokoro(Rival):
    """Kokoro-82M v1.0 (hexgrad, Apache-2.0; after StyleTTS 2, Li et al. 2023) from a folder.

    The folder holds `model.onnx` (tokens (1, N), style (1, 256) and speed (1,) to samples at 24 kHz) and
    `voices/NAME.bin`, each 510 × 256 numbers: the style of a text of so many tokens.
    """

    def __init__(self, folder: Path, threads: int, seed: int) -> None:
        """Raises BadFile for what is missing or is something else."""
        names = [name for several in KOKORO_VOICES.values() for name in several]
        self._styles = {name: _styles(folder / "voices" / f"{name}.bin") for name in names}
        facts = Facts("Kokoro-82M v1.0", "--rival kokoro=DIR", tuple(names))
        super().__init__(facts, KOKORO_VOICES, folder / "model.onnx", threads, seed, ("input_ids", "style", "speed"))

    def say(self, words: str, language: str, voice: str) -> Iterator[Audio]:
        for sentence in text.sentences(words, language):
            written = rival_phonemes.spell(sentence, rival_phonemes.KOKORO)
            ids = [rival_phonemes.KOKORO_IDS[symbol] for symbol in written]
            samples = self._samples(
                input_ids=np.array([[0, *ids, 0]], np.int64),
                style=self._styles[voice][np.newaxis, min(len(ids), STYLES - 1)],
                speed=np.ones(1, np.float32),
            )
            yield Audio(samples, KOKORO_RATE)


def _styles(path: Path) -> np.ndarray:
    """A voice of Kokoro's, float32 (510, 256)."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise BadFile(f"{path}: a voice of Kokoro's cannot be read ({error.strerror})") from error
    if len(content) != STYLES * STYLE_WIDTH * 4:
        raise BadFile(f"{path}: {len(content)} bytes are no voice of Kokoro's ({STYLES} x {STYLE_WIDTH} float32)")
    return np.frombuffer(content, "<f4").reshape(STYLES, STYLE_WIDTH)


class Piper(Rival):
    """A Piper voice (Hansen, MIT; after VITS, Kim et al. 2021) in American English: `FILE.onnx`, `FILE.onnx.json`.

    The network takes symbols (1, N), their count (1,) and the scales of noise, length and noise of lengths (3,).
    """

    def __init__(self, path: Path, threads: int, seed: int) -> None:
        """Raises BadFile for what is missing, is something else, or speaks another language."""
        self._config = _config(Path(f"{path}.json"))
        facts = Facts(f"Piper, {path.stem}", "--rival piper=FILE.onnx", (path.stem,))
        super().__init__(facts, {"en": (path.stem,)}, path, threads, seed, ("input", "input_lengths", "scales"))

    def say(self, words: str, language: str, voice: str) -> Iterator[Audio]:
        known = self._config.ids
        for sentence in text.sentences(words, language):
            written = "^" + rival_phonemes.spell(sentence, rival_phonemes.PIPER)
            # In training a pad followed the start and every symbol.
            ids = [number for symbol in written for number in (*known[symbol], *known["_"])] + [*known["$"]]
            speaker = {"sid": np.zeros(1, np.int64)} if "sid" in self._graph.inputs else {}
            samples = self._samples(
                input=np.array([ids], np.int64),
                input_lengths=np.array([len(ids)], np.int64),
                scales=self._config.scales,
                **speaker,
            )
            yield Audio(samples, self._config.sample_rate)


@dataclass(frozen=True, eq=False)
class _Config:
    """What a Piper voice says about itself."""

    ids: Mapping[str, Sequence[int]]
    sample_rate: int
    scales: np.ndarray
    """Noise, length, noise of lengths, float32 (3,)."""


def _config(path: Path) -> _Config:
    try:
        content: dict[str, Any] = json.loads(path.read_bytes())
        inference = content["inference"]
        scales = [float(inference[name]) for name in ("noise_scale", "length_scale", "noise_w")]
        ids = {
            str(symbol): [int(number) for number in numbers] for symbol, numbers in content["phoneme_id_map"].items()
        }
        rate, speaks = int(content["audio"]["sample_rate"]), str(content["espeak"]["voice"])
    except OSError as error:
        raise BadFile(f"{path}: the settings of a Piper voice cannot be read ({error.strerror})") from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise BadFile(
            f"{path}: these are not the settings of a Piper voice ({type(error).__name__}: {error})"
        ) from error
    if speaks != "en-us":
        raise BadFile(f"{path}: the voice reads {speaks}; only voices that read en-us are known here")
    if lacking := sorted((rival_phonemes.symbols(rival_phonemes.PIPER) | set("^_$")) - set(ids)):
        raise BadFile(f"{path}: phoneme_id_map lacks {' '.join(lacking)}")
    return _Config(ids, rate, np.array(scales, np.float32))


RIVALS: dict[str, Callable[[Path, int, int], Rival]] = {"kokoro": Kokoro, "piper": Piper}
"""By the name that the command line has: path, threads and seed to a rival."""


def opened(options: Sequence[str], threads: int, seed: int) -> list[Rival]:
    """What `--rival NAME=PATH` asks for.

    Raises BadOption for an unknown name and for one system twice, BadFile for files that are no such rival's.
    """
    found: list[Rival] = []
    for option in options:
        name, _, path = option.partition("=")
        if name not in RIVALS or not path:
            raise BadOption(f"--rival {option}: write kokoro=DIR or piper=FILE.onnx")
        rival = RIVALS[name](Path(path), threads, seed)
        if rival.facts.system in [other.facts.system for other in found]:
            raise BadOption(f"--rival {option}: {rival.facts.system} is there already")
        found.append(rival)
    return found


def utterances(rival: Rival, language: str, texts: Sequence[str]) -> Iterator[Utterance]:
    """Every voice of the language says every sentence, as the default voices do."""
    for voice in rival.voices.get(language, ()):
        for words in texts:
            sound = Audio.join(rival.say(words, language, voice))
            yield Utterance(rival.facts.system, language, voice, words, sound)
