"""What several tests share: a voice, a folder of voices, clips, and an engine that needs no weights."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import date
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from resay import audio, consent, reference, text, voices
from resay.aligner import CLASSES
from resay.audio import FORMAT, Audio
from resay.cli import main, sources
from resay.planning import Planning
from resay.prompt import Prompt
from resay.prosody import Plan
from resay.reference import Profile, Report
from resay.semantic import SEMANTIC
from resay.synthesis import Piece, Request, Speech
from resay.train import speaker_levels
from resay.voices import Voice

TODAY = date(2026, 3, 8)


class FakeReference:
    """Hears one and the same person everywhere."""

    def timbre(self, mel: np.ndarray) -> np.ndarray:
        return np.ones(192, np.float32) / 192**0.5


class FakeAligner:
    """Cannot tell any sound from another."""

    def log_posteriors(self, mel: np.ndarray) -> np.ndarray:
        return np.full((len(mel), CLASSES), -np.log(CLASSES), np.float32)


class FakeEngine:
    """Speaks real sentences as tones whose length and pitch follow from the seed. Keeps the engine's promises."""

    def __init__(self) -> None:
        self.reference, self.aligner = FakeReference(), FakeAligner()
        self.digests = {"prosody": "sha256:" + "0" * 64, "acoustic": "sha256:" + "1" * 64}

    def listen(self, sound: Audio, words: str | None = None, language: str = "auto") -> tuple[Profile, Report]:
        report = reference.check(sound)
        if not report.accepted:
            raise reference.BadAudio(report.findings[0].message)
        heard = profile(int(abs(sound.samples).sum()) % 1000)
        return (heard if words is None else replace(heard, prompt=prompt(words, language))), report

    def stream(self, request: Request, voice: Voice, *, today=None, style=None, lexicon=None, plans=None):
        voice.consent.require(consent.Use.SPEAK, today or TODAY)
        sentences = list(text.sentences(request.text, request.language, lexicon, voice.language))

        def pieces() -> Iterator[Piece]:
            for index, sentence in enumerate(sentences):
                random = np.random.default_rng([request.seed, index])
                count = len(sentence.phonemes)
                durations = random.integers(3, 9, count)
                plan = Plan(durations, np.zeros((count, 3), np.float32), np.zeros(count, np.float32))
                plan = plan if plans is None else plans[index]
                at = np.arange(int(plan.durations.sum()) * FORMAT.hop)
                sound = np.sin(at * random.uniform(0.02, 0.05)).astype(np.float32) * 0.3
                sound = Audio(sound).resampled(request.sample_rate).samples
                parts = (Audio(part, request.sample_rate) for part in np.split(sound, [request.sample_rate // 10]))
                yield Piece(index, sentence, Planning.of(plan).whole, parts)

        return pieces()

    def relieve(self, voice: Voice) -> None:
        self.say(Request("a"), voice)

    def say(self, request: Request, voice: Voice, **options) -> Speech:
        pieces = tuple(self.stream(request, voice, **options))
        return Speech(Audio.join(piece.audio for piece in pieces), pieces)


def profile(seed: int = 0) -> Profile:
    """A made-up speaker."""
    random = np.random.default_rng(seed)
    timbre = random.standard_normal(192).astype(np.float32)
    return Profile(timbre / np.linalg.norm(timbre), random.standard_normal(16).astype(np.float32), 180.0)


def prompt(words: str, language: str = "auto") -> Prompt:
    """Made-up delivery of real words."""
    ids = text.sentence(words, language).ids
    random = np.random.default_rng(len(ids))
    pitch, energy, meaning = (
        random.standard_normal((len(ids), *width)).astype(np.float16).astype(np.float32)
        for width in ((3,), (), (SEMANTIC,))
    )
    durations, voiced = random.integers(1, 12, len(ids)), random.random(len(ids)) > 0.4
    return Prompt(ids, durations, pitch, energy, voiced, meaning)


@pytest.fixture(autouse=True)
def consents(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The signing key, the withdrawals and the vault of every test are its own."""
    monkeypatch.setenv("RESAY_CONSENTS", str(tmp_path / "consents"))
    monkeypatch.setenv("RESAY_VAULT", str(tmp_path / "vault"))
    return tmp_path / "consents"


@pytest.fixture
def voice() -> Voice:
    return Voice("Ada", "en", profile(), consent.embedded("Ada"), gender="female", description="calm", tags=("demo",))


@pytest.fixture
def prompt_of() -> Callable[..., Prompt]:
    """Makes a prompt of words."""
    return prompt


@pytest.fixture
def prompted(voice: Voice) -> Voice:
    """A voice of whose clip the words were told."""
    return replace(voice, profile=replace(voice.profile, prompt=prompt("Good morning, everybody.")))


@pytest.fixture
def library(tmp_path: Path, voice: Voice, monkeypatch: pytest.MonkeyPatch) -> voices.VoiceLibrary:
    """The voices that commands find: Ada ships, 小明 is the user's."""
    shipped, own = tmp_path / "shipped", tmp_path / "own"
    voice.save(shipped / "Ada.voice")
    replace(voice, name="小明", language="zh", consent=consent.own()).save(own / "小明.voice")
    monkeypatch.setattr(voices, "SHIPPED", shipped)
    monkeypatch.setenv("RESAY_VOICES", str(own))
    return voices.VoiceLibrary()


@pytest.fixture
def fake_engine(monkeypatch: pytest.MonkeyPatch) -> FakeEngine:
    """Commands get this engine instead of the weights."""
    engine = FakeEngine()
    monkeypatch.setattr(sources, "engine", lambda weights: engine)
    return engine


@pytest.fixture
def work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder to work in."""
    folder = tmp_path / "work"
    folder.mkdir()
    monkeypatch.chdir(folder)
    monkeypatch.setenv("RESAY_LANGUAGE", "en")
    monkeypatch.setenv("RESAY_VOICES", str(tmp_path / "own"))
    monkeypatch.setenv("RESAY_SEEDS", str(tmp_path / "seeds.jsonl"))
    monkeypatch.setenv("RESAY_CACHE", str(tmp_path / "texts"))
    return folder


@pytest.fixture
def run(library, fake_engine, work, capfd) -> Callable[..., tuple[int, str, str]]:
    """Runs a command with the fake engine; gives its exit code, standard output and standard error."""

    def command(*arguments: object) -> tuple[int, str, str]:
        code = main([str(argument) for argument in arguments])
        captured = capfd.readouterr()
        return code, captured.out, captured.err

    return command


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    """Four seconds that pass for speech: a voiced buzz in syllables."""
    path = tmp_path / "clips" / "speaker.wav"
    audio.write(path, syllables(4.0))
    return path


@pytest.fixture
def buzz() -> Callable[[float], Audio]:
    """Makes so many seconds that pass for speech."""
    return syllables


def syllables(seconds: float) -> Audio:
    """A buzz at about 140 Hz that comes and goes four times a second."""
    at = np.arange(int(seconds * FORMAT.sample_rate)) / FORMAT.sample_rate
    pitch = 140 + 20 * np.sin(2 * np.pi * 0.7 * at)
    phase = 2 * np.pi * np.cumsum(pitch) / FORMAT.sample_rate
    buzz = sum(np.sin(phase * harmonic) / harmonic for harmonic in range(1, 20))
    return Audio((0.15 * buzz * np.clip(np.sin(2 * np.pi * 2 * at), 0, 1) ** 2).astype(np.float32))


@pytest.fixture
def served() -> Iterator[Callable[..., int]]:
    """Serves applications on free ports until the test ends."""
    import uvicorn

    running = []

    def start(app) -> int:
        server = uvicorn.Server(uvicorn.Config(app, port=0, log_level="error", lifespan="on"))
        thread = threading.Thread(target=server.run)
        thread.start()
        running.append((server, thread))
        while not server.started:
            time.sleep(0.01)
        return server.servers[0].sockets[0].getsockname()[1]

    yield start
    for server, thread in running:
        server.should_exit = True
        thread.join(10)
        assert not thread.is_alive()


@pytest.fixture
def ecapa(tmp_path: Path) -> Path:
    """A folder with an ECAPA of 16 channels and drawn weights."""
    random = np.random.Generator(np.random.Philox(1))
    weights: dict[str, np.ndarray] = {}

    def convolution(name: str, channels: int, fed: int, taps: int = 1) -> None:
        weights[f"{name}.conv.weight"] = random.standard_normal((channels, fed, taps)).astype(np.float32) / np.sqrt(fed)
        weights[f"{name}.conv.bias"] = random.standard_normal(channels).astype(np.float32)

    def normalisation(name: str, channels: int) -> None:
        for part in ("weight", "bias", "running_mean"):
            weights[f"{name}.norm.{part}"] = random.standard_normal(channels).astype(np.float32)
        weights[f"{name}.norm.running_var"] = np.ones(channels, np.float32)

    def tdnn(name: str, channels: int, fed: int, taps: int = 1) -> None:
        convolution(f"{name}.conv", channels, fed, taps)
        normalisation(f"{name}.norm", channels)

    tdnn("blocks.0", 16, 80, 5)
    for block in (1, 2, 3):
        tdnn(f"blocks.{block}.tdnn1", 16, 16)
        for part in range(7):
            tdnn(f"blocks.{block}.res2net_block.blocks.{part}", 2, 2, 3)
        tdnn(f"blocks.{block}.tdnn2", 16, 16)
        convolution(f"blocks.{block}.se_block.conv1", 4, 16)
        convolution(f"blocks.{block}.se_block.conv2", 16, 4)
    tdnn("mfa", 24, 48)
    tdnn("asp.tdnn", 4, 72)
    convolution("asp.conv", 24, 4)
    normalisation("asp_bn", 48)
    convolution("fc", 6, 48)
    save_file({name: value.astype(np.float32) for name, value in weights.items()}, tmp_path / speaker_levels.FILE_NAME)
    return tmp_path
