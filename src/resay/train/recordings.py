"""Recordings to train on: read the corpus shards or a plain folder, keep their features in a cache, serve them by clip.

A corpus folder holds `*.tar` shards of sound files with `metadata.tsv` (one row a clip) and, for synthetic speech,
`NAME.jsonl` (phonemes and exact durations). A plain folder holds sound files, each with a `.txt` of the same stem
beside it. Pitch is always tracked: the curves that synthetic speech comes with go on through its voiceless sounds and
lie half a frame late.
"""

from __future__ import annotations

import csv
import hashlib
import json
import tarfile
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from types import MappingProxyType

import numpy as np
from rich.progress import Progress

from .. import audio, pitch
from ..errors import BadAudio, BadFile

SOUND_FILES = (".wav", ".flac", ".mp3", ".ogg", ".opus")
WORD_LISTS = ("cmn_hsk", "cmn_syl")
"""Sets of read words and syllables, not sentences."""
NEVER: Mapping[str, int] = MappingProxyType({})
"""Nobody's clips are repeated."""
TEACHER_UNIT = 2  # mel frames in one duration unit of the synthetic speech (600 samples)
TEACHER_LAG = 6
"""Mel frames by which the teacher's durations lag behind its sound: each phoneme is heard three units before its turn.
The teacher's own time stamps take three units off the first duration for it."""


@dataclass(frozen=True)
class Clip:
    """One recording. Optional fields are None where the source does not say."""

    id: str
    set: str
    language: str
    speaker: str
    gender: str
    text: str
    bandwidth: float
    """Highest frequency within 60 dB of the peak, Hz."""
    floor: float
    """Noise floor, dB."""
    licence: str
    phonemes: tuple[str, ...] | None = None
    durations: tuple[int, ...] | None = None
    """Mel frames of every phoneme, exact, for synthetic speech."""
    shard: str = ""
    start: int = 0
    """First frame in the shard's features."""
    frames: int = 0


def is_held_out(clip: Clip) -> bool:
    """The written rule: one speaker in sixteen, by the SHA-256 of the name, is never trained on.

    Of the synthetic speech it is one clip in sixteen, by its name: there sentences are kept out, not voices. Speakers
    that are alone in their set (read books, word lists) are always trained on: they are most of the full-band speech.
    """
    if clip.set in ("ljspeech", "kathleen", "matthes", *WORD_LISTS):
        return False
    name = clip.id if clip.set == "synthetic" else clip.speaker
    return hashlib.sha256(name.encode()).digest()[0] % 16 == 0


@dataclass(frozen=True)
class Source:
    """A clip, and where its sound lies before it has been read."""

    clip: Clip
    member: str


def tsv(path: Path) -> Iterator[dict[str, str]]:
    """The rows of a table, by the names in its first line."""
    with path.open(encoding="utf-8", newline="") as file:
        yield from csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE)


def real_shards(table: Path) -> dict[str, list[Source]]:
    """The recordings that a table names, by shard."""
    shards: dict[str, list[Source]] = {}
    for row in tsv(table):
        clip = Clip(
            id=row["clip"].rsplit(".", 1)[0],
            set=row["set"],
            language=row["language"],
            speaker=row["speaker"],
            gender=row["gender"][:1].lower(),
            text=row["text"],
            bandwidth=float(row["bandwidth_hz"] or 8000),
            floor=float(row["floor_db"] or -60),
            licence=row["licence"],
            shard=row["shard"],
        )
        shards.setdefault(row["shard"], []).append(Source(clip, row["clip"]))
    return shards


def _synthetic_shards(corpus: Path) -> dict[str, list[Source]]:
    shards: dict[str, list[Source]] = {}
    for table in sorted(corpus.glob("*.jsonl")):
        for line in table.read_text(encoding="utf-8").splitlines():
            row = json.loads(line)
            main_voice = max(row["timbre"], key=lambda part: part[1])[0]
            clip = Clip(
                id=row["id"],
                set="synthetic",
                language=row["lang"],
                # Same mixture, same speaker: a single-voice clip shares its speaker with that voice's other clips.
                speaker="+".join(f"{name}:{share:g}" for name, share in sorted(row["timbre"])),
                gender=main_voice[1],
                text=row["text"],
                bandwidth=12_000.0,
                floor=-90.0,
                licence="Apache-2.0 (Kokoro-82M v1.0)",
                phonemes=tuple(row["phones"]),
                durations=tuple(unit * TEACHER_UNIT for unit in row["dur"]),
                shard=table.stem,
            )
            shards.setdefault(table.stem, []).append(Source(clip, f"{row['id']}.opus"))
    return shards


def tar_sounds(path: Path, sources: Iterable[Source]) -> Iterator[tuple[Source, bytes]]:
    """Those of the sources that lie in an archive, with their content, in its order."""
    wanted = {source.member: source for source in sources}
    with tarfile.open(path) as tar:
        for member in tar:
            source = wanted.get(Path(member.name).name)
            file = tar.extractfile(member) if source else None
            if source and file:
                yield source, file.read()


def _folder_sources(folder: Path) -> list[Source]:
    sources = []
    for path in sorted(path for path in folder.rglob("*") if path.suffix.lower() in SOUND_FILES):
        words = path.with_suffix(".txt")
        if not words.exists():
            raise BadFile(f"{path}: no transcript {words.name} beside it")
        text = words.read_text(encoding="utf-8").strip()
        language = "zh" if any("\u4e00" <= letter <= "\u9fff" for letter in text) else "en"
        speaker = path.parent.name if path.parent != folder else folder.name
        clip = Clip(path.stem, folder.name, language, speaker, "", text, 12_000.0, -60.0, "the owner's", shard="folder")
        sources.append(Source(clip, str(path)))
    if not sources:
        raise BadFile(f"{folder}: neither corpus shards nor sound files with transcripts")
    return sources


def _fit(clip: Clip, count: int) -> Clip:
    """Move the teacher's durations to where its sound is, and give what the coded sound has more or less to the end."""
    if clip.durations is None:
        return clip
    durations = list(clip.durations)
    durations[0] -= min(TEACHER_LAG, durations[0] - 1)
    durations[-1] += count - sum(durations)
    position = len(durations) - 1
    while durations[position] < 1 and position > 0:
        durations[position - 1] += durations[position] - 1
        durations[position] = 1
        position -= 1
    return replace(clip, durations=tuple(durations))


def _extract(shard: str, sources: list[Source], tar: Path | None, cache: Path) -> int:
    """Features of one shard, written into the cache. Returns how many clips it holds."""
    sounds = tar_sounds(tar, sources) if tar else ((source, Path(source.member).read_bytes()) for source in sources)
    samples, mels, tracks, clips, position = [], [], [], [], 0
    for source, content in sounds:
        try:
            sound = audio.read(content).resampled(audio.FORMAT.sample_rate)
        except BadAudio:
            continue  # a damaged clip among thousands is left out; the clip count tells
        count = len(sound.samples) // audio.FORMAT.hop
        if count < 8:
            continue
        sound = audio.Audio(sound.samples[: count * audio.FORMAT.hop])
        mels.append(audio.log_mel(sound.samples).astype(np.float16))
        tracks.append(pitch.track(sound).astype(np.float16))
        samples.append(sound.pcm16())
        clips.append(_fit(replace(source.clip, start=position, frames=count), count))
        position += count
    np.save(cache / f"{shard}.mel.npy", np.concatenate(mels))
    np.save(cache / f"{shard}.pitch.npy", np.concatenate(tracks))
    np.save(cache / f"{shard}.pcm.npy", np.concatenate(samples))
    lines = (json.dumps(asdict(clip), ensure_ascii=False) + "\n" for clip in clips)
    audio.write_bytes(cache / f"{shard}.clips.jsonl", "".join(lines).encode())
    return len(clips)


def prepare(corpus: Path, cache: Path, workers: int = 2) -> int:
    """Read every recording below `corpus` once and keep its features in `cache`; shards already there are left alone.

    Returns the number of clips that were added. Raises BadFile where there is nothing to read.
    """
    cache.mkdir(parents=True, exist_ok=True)
    shards: dict[str, list[Source]] = {}
    if (corpus / "metadata.tsv").exists():
        shards |= real_shards(corpus / "metadata.tsv")
    shards |= _synthetic_shards(corpus)
    if not shards:
        shards = {"folder": _folder_sources(corpus)}
    missing = {name: rows for name, rows in shards.items() if not (cache / f"{name}.clips.jsonl").exists()}
    with ProcessPoolExecutor(workers) as pool, Progress(transient=True) as progress:
        task = progress.add_task("features", total=len(missing))
        jobs = []
        for name, rows in missing.items():
            tar = corpus / f"{name}.tar"
            jobs.append(pool.submit(_extract, name, rows, tar if tar.exists() else None, cache))
        added = 0
        for job in jobs:
            added += job.result()
            progress.advance(task)
    return added


class Recordings:
    """The cached features of many clips. Arrays are views of files on disk; nothing is copied until it is used."""

    def __init__(self, cache: Path) -> None:
        self.clips: list[Clip] = []
        self._mel: dict[str, np.ndarray] = {}
        self._pitch: dict[str, np.ndarray] = {}
        self._pcm: dict[str, np.ndarray] = {}
        for table in sorted(cache.glob("*.clips.jsonl")):
            shard = table.name.removesuffix(".clips.jsonl")
            self._mel[shard] = np.load(cache / f"{shard}.mel.npy", mmap_mode="r")
            self._pitch[shard] = np.load(cache / f"{shard}.pitch.npy", mmap_mode="r")
            self._pcm[shard] = np.load(cache / f"{shard}.pcm.npy", mmap_mode="r")
            for line in table.read_text(encoding="utf-8").splitlines():
                row = json.loads(line)
                for name in ("phonemes", "durations"):
                    row[name] = tuple(row[name]) if row[name] else None
                self.clips.append(Clip(**row))
        if not self.clips:
            raise BadFile(f"{cache}: no features; make them with `resay train features CORPUS`")

    def mel(self, clip: Clip) -> np.ndarray:
        """Log mel of a clip, float32 (T, M)."""
        return self._mel[clip.shard][clip.start : clip.start + clip.frames].astype(np.float32)

    def pitch(self, clip: Clip) -> np.ndarray:
        """Pitch of a clip in Hz, float32 (T,), 0 where unvoiced."""
        return self._pitch[clip.shard][clip.start : clip.start + clip.frames].astype(np.float32)

    def samples(self, clip: Clip, first: int = 0, frames: int | None = None) -> np.ndarray:
        """Samples of a clip or of some of its frames, float32 (S,)."""
        hop = audio.FORMAT.hop
        start = (clip.start + first) * hop
        count = (clip.frames - first if frames is None else frames) * hop
        return self._pcm[clip.shard][start : start + count].astype(np.float32) / 32767.0


def batches_by_length(lengths: np.ndarray, budget: int, random: np.random.Generator) -> Iterator[np.ndarray]:
    """Positions grouped so that a batch's padded length stays under `budget` frames, in an order that `random` fixes.

    Clips of like length go together (a little jitter varies the company from epoch to epoch), batches come shuffled.
    """
    order = np.argsort(lengths * random.uniform(0.9, 1.1, len(lengths)), kind="stable")
    groups: list[list[int]] = []
    current: list[int] = []
    longest = 0
    for position in order:
        longest_now = max(longest, int(lengths[position]))
        if current and longest_now * (len(current) + 1) > budget:
            groups.append(current)
            current, longest_now = [], int(lengths[position])
        current.append(int(position))
        longest = longest_now
    if current:
        groups.append(current)
    for group in random.permutation(len(groups)):
        yield np.array(groups[group])
