"""Alignment against durations that are known exactly, and against texts with a word too many or too few.

    python bench/alignment.py [--cache runs/cache] [--synthetic 100] [--real 200] [--judges DIR]
                              [--write docs/alignment.md]

Only clips are used that nothing was trained on. Recordings come from `resay train features CORPUS`. Prints the page.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from pathlib import Path

import numpy as np
from rich.progress import track as progress

import resay
from resay import alignment, audio
from resay.aligner import Aligner
from resay.alignment import aligning, doubts
from resay.audio import FORMAT
from resay.errors import BadAudio
from resay.evaluate import transcripts
from resay.evaluate.judges import Judges
from resay.text import Sentence, phonemes
from resay.train import doubts_stage, spoiling
from resay.train.recordings import Clip, Recordings, is_held_out

FRAME = 1000 * FORMAT.seconds(1)  # milliseconds
SOUNDS = ((1, 2), (3, 4), (5, 99))
"""Sounds of the words that were changed, by which they are counted."""
LINES = (doubts.LINE, 0.3, 0.2, 0.1, 0.05)
"""How sure a disagreement has to be to be told, the first by default."""
NEAR = 0.15
"""Seconds by which a disagreement may lie beside the word that causes it."""


@dataclass
class Times:
    """Errors of one condition, milliseconds."""

    name: str
    starts: list[float] = field(default_factory=list)
    """Of sounds: where each begins."""
    words: int = 0
    lost: int = 0
    """Words whose middle is put outside the word."""


@dataclass
class Found:
    """What became of one kind of change."""

    name: str
    texts: int = 0
    found: int = 0


@dataclass
class Trade:
    """What is found, and falsely told, where disagreements have to be as sure as `line`."""

    line: float
    texts: int = 0
    alarms: int = 0
    """True texts in which anything is told."""
    words: int = 0
    told: int = 0
    """Disagreements told in true texts."""
    changes: int = 0
    found: int = 0

    def count(self, texts: Sequence[doubts_stage.Changed], results: Sequence[alignment.Alignment]) -> None:
        """One clip: its true text and the changed ones, with what is told of each at the line."""
        self.texts, self.alarms = self.texts + 1, self.alarms + bool(results[0].disagreements)
        self.words += len(texts[0].sentence.words)
        self.told += len(results[0].disagreements)
        for changed, result in zip(texts[1:], results[1:], strict=True):
            self.changes += 1
            self.found += _told(changed, texts[0].sentence, results[0], result)

    def row(self) -> str:
        """Of the page's table."""
        shares = self.found / self.changes, self.alarms / self.texts, self.told / self.words
        return f"| {self.line:g} | " + " | ".join(f"{share:.1%}" for share in shares) + " |"


def only(result: alignment.Alignment, line: float) -> alignment.Alignment:
    """An alignment that was asked to be less sure, with the disagreements surer than `line`."""
    return replace(result, disagreements=tuple(it for it in result.disagreements if it.sureness > line))


def doubled(sound: np.ndarray, first: int, end: int) -> np.ndarray:
    """A sound whose stretch from `first` to `end` is said twice as fast at the same pitch, by overlapping windows that
    fit each other best (WSOLA, Verhelst and Roelands 1993)."""
    size, hop, reach = 1024, 512, 256
    inside = sound[first:end]
    window, out = np.hanning(size), np.zeros(len(inside) // 2 + size)
    at, before = 0, inside[:size]
    for number in range(max(0, (len(inside) // 2 - size) // hop)):
        wanted = number * 2 * hop
        low, high = max(0, wanted - reach), min(len(inside) - size, wanted + reach)
        if number and high > low:
            fits = np.correlate(inside[low : high + size], before, mode="valid")
            at = low + int(fits.argmax())
        out[number * hop : number * hop + size] += window * inside[at : at + size]
        before = inside[at + hop : at + hop + size]
        if len(before) < size:
            break
    return np.concatenate([sound[:first], out[: len(inside) // 2], sound[end:]]).astype(np.float32)


def times(clip: Clip, score: np.ndarray, true: np.ndarray, found: Times) -> None:
    """Compare where sounds begin, in frames `true` (P + 1,), with where the search puts them."""
    assert clip.phonemes is not None
    sentence = Sentence(clip.text, clip.text, (), clip.phonemes, (0, 0))
    durations = aligning.way(aligning.floored(score), sentence)
    edges = np.concatenate([[0], np.cumsum(durations)])
    sounds = [at for at, symbol in enumerate(clip.phonemes) if not phonemes.is_pause(symbol)]
    found.starts += [float((edges[at] - true[at]) * FRAME) for at in sounds]
    for first, end in _words(clip.phonemes):
        middle = (edges[first] + edges[end]) / 2
        found.words += 1
        found.lost += not true[first] - 4 <= middle <= true[end] + 4


def _words(symbols: Sequence[str]) -> list[tuple[int, int]]:
    """Stretches of sounds between pauses and word boundaries."""
    found, first = [], 0
    for at, symbol in enumerate(symbols):
        if phonemes.is_pause(symbol):
            if at > first:
                found.append((first, at))
            first = at + 1
    return found


def synthetic(recordings: Recordings, aligner: Aligner, count: int) -> list[Times]:
    """Clean, in noise of two colours, and with the middle third twice as fast."""
    clean, noise, fast = Times("as it is"), Times("noise, 10 dB"), Times("tempo doubled in the middle third")
    clips = [clip for clip in recordings.clips if clip.set == "synthetic" and is_held_out(clip)][:count]
    for number, clip in enumerate(progress(clips, "synthetic", transient=True)):
        assert clip.durations is not None
        random = np.random.Generator(np.random.Philox(number))
        sound, true = recordings.samples(clip), np.concatenate([[0.0], np.cumsum(clip.durations)])
        times(clip, aligner.log_posteriors(audio.log_mel(sound)), true, clean)
        hiss = random.standard_normal(len(sound))
        hiss = np.cumsum(hiss - hiss.mean()) * 0.02 + hiss if number % 2 else hiss
        times(clip, aligner.log_posteriors(audio.log_mel(spoiling.mixed(sound, hiss, 10.0))), true, noise)
        third = clip.frames // 3
        quick = doubled(sound, third * FORMAT.hop, 2 * third * FORMAT.hop)
        inside = np.clip(true, third, 2 * third) - third
        times(clip, aligner.log_posteriors(audio.log_mel(quick)), true - inside / 2, fast)
    return [clean, noise, fast]


def changed_texts(
    recordings: Recordings, aligner: Aligner, clips: Sequence[Clip], judges: Judges
) -> tuple[list[Found], list[Found], list[Trade]]:
    """True texts, texts without one word, and texts with a foreign one; the changed ones by the word's length; and all
    of it at every one of `LINES`."""
    true, removed, added = (Found(name) for name in ("true text", "one word missing in the text", "one word too many"))
    confirmed = Found("true text that the recogniser confirms")
    lengths: dict[tuple[str, str], Found] = {}
    trades = [Trade(line) for line in LINES]
    random = np.random.Generator(np.random.Philox(7))
    rows = list(doubts_stage.changes(list(clips), random))
    for clip, texts in progress(rows, "texts", transient=True):
        mel = recordings.mel(clip)
        try:
            every = [alignment.align(mel, changed.sentence, aligner, min(LINES)) for changed in texts]
        except BadAudio:
            continue
        at = {line: [only(result, line) for result in every] for line in LINES}
        for trade in trades:
            trade.count(texts, at[trade.line])
        results = at[doubts.LINE]
        told = bool(results[0].disagreements)
        for row in (true, *([confirmed] if _confirmed(recordings, clip, judges) else [])):
            row.texts, row.found = row.texts + 1, row.found + told
        for changed, result in zip(texts[1:], results[1:], strict=True):
            row = removed if changed.removed is not None else added
            key = row.name, _length(changed, texts[0].sentence)
            found = _told(changed, texts[0].sentence, results[0], result)
            for counted in (row, lengths.setdefault(key, Found(", ".join(key)))):
                counted.texts, counted.found = counted.texts + 1, counted.found + found
    shown = [true, *([confirmed] if judges.recogniser else []), removed, added]
    return shown, [lengths[key] for key in sorted(lengths)], trades


def _confirmed(recordings: Recordings, clip: Clip, judges: Judges) -> bool:
    """Whether a recogniser hears exactly the words of a clip's text."""
    if judges.recogniser is None:
        return False
    heard = judges.recogniser.transcribe(audio.Audio(recordings.samples(clip)), clip.language)
    return transcripts.count_errors(clip.text, heard, clip.language).errors == 0


def _length(changed: doubts_stage.Changed, whole: Sentence) -> str:
    """How many sounds the changed word has."""
    if changed.removed is not None:
        first, end = whole.words[changed.removed].phonemes
    else:
        assert changed.added is not None
        first, end = changed.sentence.words[changed.added].phonemes
    return next(f"{low} to {high} sounds" for low, high in SOUNDS if low <= end - first <= high)


def _told(
    changed: doubts_stage.Changed, whole: Sentence, before: alignment.Alignment, after: alignment.Alignment
) -> bool:
    """Whether a disagreement of the right kind lies where the text was changed."""
    if changed.added is not None:
        span = changed.sentence.words[changed.added].span
        place = next(word for word in after.words if word.span == span)
        kinds = {"missing"}
    else:
        assert changed.removed is not None
        span = whole.words[changed.removed].span
        place = next(word for word in before.words if word.span == span)
        kinds = {"extra", "repeated"}
    return any(
        it.kind in kinds and it.start < place.end + NEAR and it.end > place.start - NEAR for it in after.disagreements
    )


def page(
    command: str,
    synthetic_rows: Sequence[Times],
    tables: Sequence[tuple[str, Sequence[Found]]],
    trades: Sequence[Trade],
) -> str:
    """Markdown."""
    lines = [
        "# Alignment, measured",
        "",
        f"Made by `{command}` on {date.today().isoformat()}; do not edit.",
        "",
        "`resay align CLIP TEXT -o OUT.TextGrid|json|srt|vtt` and, for a folder of sounds with texts beside them,",
        "`resay align FOLDER -o DIR`; `--picture OUT.png|svg` draws the spectrogram with the boundaries.",
        "",
        "## Against known durations",
        "",
        "Synthetic speech comes with the durations it was made from, in units of 25 ms. They lag its sound by three",
        "units (75 ms), which is taken off. Counted is where each sound begins: a sound before a pause has no end in",
        "these durations, the pause belongs to it. A word is lost where its middle is put more than 50 ms outside it.",
        "",
        "| sound | sounds | median error | within 50 ms | words | lost |",
        "|-|-:|-:|-:|-:|-:|",
    ]
    for row in synthetic_rows:
        errors = np.abs(np.array(row.starts))
        figures = f"{np.median(errors):.1f} ms | {np.mean(errors <= 50.0):.1%}"
        lines.append(f"| {row.name} | {len(errors)} | {figures} | {row.words} | {row.lost} |")
    lines += [
        "",
        "## Against changed texts",
        "",
        "A word of each text is taken out, or one of another recording put in, short and long ones alike. Found means",
        "told, of the right kind, where the text was changed; for true texts told is a false alarm. Some people",
        "misread their texts, so synthetic recordings, whose texts are true, stand beside them. With judges, true ones",
        "count once more that a recogniser writes down word for word: all others would be its own false alarms.",
    ]
    for heading, rows in tables:
        lines += ["", f"| {heading} | texts | told | share |", "|-|-:|-:|-:|"]
        lines += [f"| {row.name} | {row.texts} | {row.found} | {row.found / max(1, row.texts):.1%} |" for row in rows]
    lines += [
        "",
        "`resay align --sureness P` tells disagreements surer than P. Of people, both kinds of change together:",
        "",
        "| sureness | found | true texts with a false alarm | false alarms a word |",
        "|-|-:|-:|-:|",
        *(trade.row() for trade in trades),
    ]
    return "\n".join(lines) + "\n"


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cache", type=Path, default=Path("runs/cache"))
    parser.add_argument("--synthetic", type=int, default=100)
    parser.add_argument("--real", type=int, default=200)
    parser.add_argument("--judges", type=Path, help="a recogniser there says which texts of people are true")
    parser.add_argument("--write", type=Path)
    options = parser.parse_args()
    recordings, aligner = Recordings(options.cache), resay.Engine(threads=1).aligner
    judges = Judges.open(options.judges)
    heard = " --judges DIR" if judges.recogniser else ""
    counts = f"--synthetic {options.synthetic} --real {options.real}"
    exact = synthetic(recordings, aligner, options.synthetic)
    people = doubts_stage.chosen(recordings, options.real, 7, held_out=True)
    made = [clip for clip in recordings.clips if clip.set == "synthetic" and is_held_out(clip)][: options.synthetic]
    told, by_length, trades = changed_texts(recordings, aligner, people, judges)
    certain, _, _ = changed_texts(recordings, aligner, made, Judges())
    found = page(
        f"python bench/alignment.py {counts}{heard} --write docs/alignment.md",
        exact,
        [("people", told), ("people, by word", by_length), ("synthetic", certain)],
        trades,
    )
    print(found)
    if options.write:
        options.write.write_text(found, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
