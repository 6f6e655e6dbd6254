"""More clean speech to train on, with exact durations, from Kokoro-82M v1.0 (hexgrad, Apache-2.0).

    python runs/synthetic_speech.py KOKORO [--zh TEXT.gz] [--en TEXT.gz] --into DIR
                                    [--shards 20] [--clips 100] [--natives 0.4] [--seed 0] [--threads 1]

KOKORO is the folder that `resay evaluate --rival kokoro=DIR` takes; the texts hold a sentence a line, and languages
take turns where both are given. Of the clips the share NATIVES is by the default voices; the others are single voices
or mixtures of two, which are speakers that nobody else is. Writes shards as the corpus has them (`made-00.tar`,
`.jsonl`), which `resay train features DIR` reads. Shards that are there are left alone: a stopped run
goes on; the same seed makes the same shards in any order.
"""

from __future__ import annotations

import argparse
import gzip
import io
import json
import sys
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import soundfile
from rich.progress import track as progress

from resay import audio, text
from resay.errors import BadText
from resay.evaluate import rival_phonemes
from resay.evaluate.rivals import KOKORO_RATE, STYLE_WIDTH, STYLES
from resay.evaluate.sentences import LANGUAGES
from resay.text import Sentence
from resay.train.release import DEFAULT_VOICES

DURATIONS = "/encoder/Clip_output_0"
"""Of a symbol, in units of 25 ms."""
TIMBRE = STYLE_WIDTH // 2
"""Numbers of a style that shape the sound; the others shape the delivery."""
SOUNDS = (8, 90)
"""Phonemes of a sentence, fewest and most."""
ALONE = 0.3
"""Share of single voices among those that are no default voice's."""
Mixture = list[tuple[str, float]]


class Teacher:
    """Kokoro, with what it plans made visible."""

    def __init__(self, folder: Path, threads: int) -> None:
        model = onnx.load(folder / "model.onnx")
        model.graph.output.append(onnx.helper.make_empty_tensor_value_info(DURATIONS))
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        self._session = onnxruntime.InferenceSession(model.SerializeToString(), options)
        self.styles = {
            path.stem: np.fromfile(path, "<f4").reshape(STYLES, STYLE_WIDTH) for path in folder.glob("voices/*.bin")
        }

    def say(self, parts: list[str], timbre: Mixture, prosody: Mixture, speed: float) -> tuple[np.ndarray, list[int]]:
        """Samples, and the units of every phoneme, of the symbols of each phoneme."""
        ids = [rival_phonemes.KOKORO_IDS[symbol] for symbol in "".join(parts)]
        sound, delivery = (
            sum(share * self.styles[name][min(len(ids), STYLES - 1)] for name, share in mixture)
            for mixture in (timbre, prosody)
        )
        given = {
            "input_ids": np.array([[0, *ids, 0]], np.int64),
            "style": np.concatenate([sound[:TIMBRE], delivery[TIMBRE:]])[None].astype(np.float32),
            "speed": np.array([speed], np.float32),
        }
        samples, units = self._session.run(["waveform", DURATIONS], given)
        counts = np.rint(units.reshape(-1)).astype(int).tolist()
        found, at = [], 1
        for symbols in parts:
            found.append(sum(counts[at : at + len(symbols)]))
            at += len(symbols)
        # The padding before the text is its start, that behind it its end.
        found[0] += counts[0]
        found[-1] += counts[-1]
        return samples.reshape(-1), found


def sentences(path: Path, language: str, random: np.random.Generator) -> Iterator[tuple[str, Sentence]]:
    """Lines that are one sentence of a fit length each, in an order of the generator's, over and over."""
    lines = gzip.decompress(path.read_bytes()).decode("utf-8").splitlines()
    while True:
        for at in random.permutation(len(lines)):
            try:
                found = list(text.sentences(lines[at], language))
            except BadText:
                continue
            if len(found) == 1 and SOUNDS[0] <= len(found[0].phonemes) <= SOUNDS[1]:
                yield lines[at], found[0]


class Casting:
    """Who says the next sentence."""

    def __init__(self, names: list[str], share: float, random: np.random.Generator) -> None:
        """`share` is that of the default voices."""
        self._names, self._share, self._random = sorted(names), share, random
        self._natives = [(language, blend.split(":")[0]) for language, _, blend, _ in DEFAULT_VOICES.values()]

    def of(self, language: str) -> tuple[Mixture, Mixture]:
        """Timbre and delivery."""
        if self._random.random() < self._share:
            # In seven of ten their own language: that is what they are asked for most.
            own = self._random.random() < 0.7
            names = [name for other, name in self._natives if (other == language) == own]
            alone: Mixture = [(self._any(names), 1.0)]
            return alone, alone if own else self._mixed(language)
        if self._random.random() < ALONE:
            return [(self._any(self._names), 1.0)], self._mixed(language)
        timbre = self._mixed()
        return timbre, timbre if self._random.random() < 0.3 else self._mixed(language)

    def _any(self, names: list[str]) -> str:
        return names[int(self._random.integers(len(names)))]

    def _mixed(self, language: str = "") -> Mixture:
        """One voice or two: of those who were taught the language, where one is told."""
        known = {"zh": "z", "en": "ab"}.get(language, "")
        names = [name for name in self._names if not known or name[0] in known]
        first, second = self._any(names), self._any(names)
        share = round(float(self._random.uniform(0.5, 0.85)), 2)
        return [(first, 1.0)] if first == second else [(first, share), (second, round(1.0 - share, 2))]


def rows(
    teacher: Teacher, texts: dict[str, Path], shard: int, count: int, natives: float, seed: int
) -> Iterator[dict[str, Any]]:
    """The clips of a shard: what the corpus says of one, with its sound."""
    random = np.random.Generator(np.random.Philox(key=np.array([seed, shard], dtype=np.uint64)))
    waiting = {language: sentences(path, language, random) for language, path in texts.items()}
    casting = Casting(list(teacher.styles), natives, random)
    for number in range(count):
        language = sorted(texts)[number % len(texts)]
        line, sentence = next(waiting[language])
        try:
            parts = rival_phonemes.spelled(sentence, rival_phonemes.KOKORO)
        except (BadText, KeyError):
            continue
        if not all(parts[1:-1]):
            continue  # what is not written has no time of its own
        timbre, prosody = casting.of(language)
        speed = round(float(random.uniform(0.85, 1.1)), 2)
        samples, units = teacher.say(parts, timbre, prosody, speed)
        yield {
            "id": f"m{seed:02d}{shard:02d}_{number:04d}",
            "lang": language,
            "text": line,
            "phones": list(sentence.phonemes),
            "dur": units,
            "timbre": timbre,
            "prosody": prosody,
            "speed": speed,
            "sec": round(len(samples) / KOKORO_RATE, 2),
            "samples": samples,
        }


def write(clips: Iterator[dict[str, Any]], into: Path, name: str) -> None:
    """A shard; the table comes last, so that what has one is whole."""
    lines, packed = [], io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as tar:
        for clip in clips:
            content = io.BytesIO()
            soundfile.write(content, clip.pop("samples"), KOKORO_RATE, format="OGG", subtype="OPUS")
            member = tarfile.TarInfo(f"{clip['id']}.opus")
            member.size = content.tell()
            tar.addfile(member, io.BytesIO(content.getvalue()))
            lines.append(json.dumps(clip, ensure_ascii=False) + "\n")
    audio.write_bytes(into / f"{name}.tar", packed.getvalue())
    audio.write_bytes(into / f"{name}.jsonl", "".join(lines).encode())


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("teacher", type=Path, metavar="KOKORO")
    for language in LANGUAGES:
        parser.add_argument(f"--{language}", type=Path, metavar="TEXT.gz")
    parser.add_argument("--into", type=Path, required=True)
    parser.add_argument("--shards", type=int, default=20)
    parser.add_argument("--clips", type=int, default=100)
    parser.add_argument("--natives", type=float, default=0.4)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    texts = {language: path for language in LANGUAGES if (path := getattr(options, language))}
    if not texts:
        parser.error("give a text: --zh, --en or both")
    options.into.mkdir(parents=True, exist_ok=True)
    teacher = Teacher(options.teacher, options.threads)
    for shard in progress(range(options.shards), "shards"):
        name = f"made-{shard:02d}"
        if not (options.into / f"{name}.jsonl").exists():
            clips = rows(teacher, texts, shard, options.clips, options.natives, options.seed)
            write(clips, options.into, name)
    return 0


if __name__ == "__main__":
    sys.exit(main())
