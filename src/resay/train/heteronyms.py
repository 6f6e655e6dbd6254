"""Trains the readings of English heteronyms.

    python -m resay.train.heteronyms HOMOGRAPHS.tsv.gz READINGS.tsv CMUDICT.dict FOLDER

HOMOGRAPHS has word, reading id and sentence, the word between U+2581 signs, READINGS the IPA of each id (Wikipedia
Homograph Data; Gorman, Mazovetskiy and Nikolaev, LREC 2018). Lines whose CRC-32 (of the sentence, UTF-8) leaves 0
modulo 10 are held out: they are measured, never trained on. FOLDER receives `heteronyms.npz` and `heteronyms.tbl`.
"""

from __future__ import annotations

import gzip
import re
import sys
from collections import defaultdict
from pathlib import Path
from zlib import crc32

from ..text import classifier, english, heteronyms, notation, tables
from .perceptron import Example, counted, save, train

_MARKED = re.compile("\u2581\\s*(.+?)\\s*\u2581")
_WORD = re.compile(r"[A-Za-z]+(?:'[A-Za-z]+)*|\d[\d,.]*|[,.!?;:—…()]")


HAND_WRITTEN = """
read	read_past	She has ▁read▁ the letter.
read	read_past	I have ▁read▁ that book twice.
read	read_past	They had ▁read▁ it before.
read	read_past	The letter was ▁read▁ aloud.
read	read_past	I ▁read▁ it yesterday.
read	read_past	He ▁read▁ the news last night.
read	read_past	Have you ▁read▁ this?
read	read_past	I've ▁read▁ it.
read	read_present	Can you ▁read▁ this?
read	read_present	I like to ▁read▁ in bed.
read	read_present	I ▁read▁ every day.
read	read_present	Please ▁read▁ the instructions.
read	read_present	Did you ▁read▁ it?
read	read_present	▁Read▁ this aloud.
read	read_present	Let me ▁read▁ it to you.
lead	lead_nou	The ▁lead▁ pipe is old.
lead	lead_nou	A bullet made of ▁lead▁.
lead	lead_nou	The paint contains ▁lead▁.
lead	lead_nou	It is as heavy as ▁lead▁.
lead	lead_nou-vrb	They will ▁lead▁ the way.
lead	lead_nou-vrb	He took the ▁lead▁ in the race.
lead	lead_nou-vrb	Please ▁lead▁ us home.
live	live_vrb	I ▁live▁ here.
live	live_vrb	Where do you ▁live▁?
live	live_vrb	They ▁live▁ in a small town.
live	live_adj	The show is ▁live▁ tonight.
live	live_adj	We watched the ▁live▁ broadcast.
close	close_vrb	Please ▁close▁ the door.
close	close_vrb	▁Close▁ the window.
close	close_vrb	The shops ▁close▁ at six.
close	close_adj-nou	It is very ▁close▁.
close	close_adj-nou	We are ▁close▁ friends.
record	record_vrb	Please ▁record▁ it.
record	record_vrb	I will ▁record▁ the song.
record	record_nou	She broke the ▁record▁.
object	object_vrb	I ▁object▁ to that.
object	object_vrb	They ▁object▁ to the plan.
object	object_nou	What is that ▁object▁?
present	present_vrb	She will ▁present▁ the award.
present	present_adj-nou	I bought you a ▁present▁.
wind	wind_vrb	Please ▁wind▁ the clock.
wind	wind_vrb	The roads ▁wind▁ through the hills.
wind	wind_nou	The ▁wind▁ is cold.
tear	tear_vrb	Do not ▁tear▁ the paper.
tear	tear_nou	A ▁tear▁ ran down her cheek.
minute	minute_nou	Wait a ▁minute▁.
minute	minute_adj	The differences are ▁minute▁.
minute	minute_adj	He explained it in ▁minute▁ detail.
use	use_vrb	You can ▁use▁ it.
use	use_nou	It is of no ▁use▁.
desert	desert_vrb	They will not ▁desert▁ us.
desert	desert_nou	The ▁desert▁ is hot.
bow	bow_nou-knot	He shot with a ▁bow▁ and arrow.
bow	bow_nou-ship	Take a ▁bow▁.
refuse	refuse_vrb	I ▁refuse▁ to go.
refuse	refuse_nou	The ▁refuse▁ was collected.
produce	produce_vrb	They ▁produce▁ cars.
graduate	graduate_vrb	I ▁graduate▁ in June.
graduate	graduate_adj-nou	She is a ▁graduate▁ student.
"""
"""Plain daily sentences, which the encyclopaedia that the data is from does not have."""


def is_held_out(sentence: str) -> bool:
    """The written rule of what is measured and not trained on."""
    return crc32(sentence.encode()) % 10 == 0


def example(word: str, reading: str, sentence: str) -> Example:
    """The marked word of a sentence."""
    match = _MARKED.search(sentence)
    if not match:
        raise ValueError(f"no word is marked: {sentence}")
    before = _words(sentence[: match.start()])
    words = [*before, match.group(1), *_words(sentence[match.end() :])]
    return Example(word.lower(), heteronyms.features(words, len(before)), "", reading)


def _words(text: str) -> list[str]:
    return [word if word[0].isalnum() else heteronyms.PAUSE for word in _WORD.findall(text)]


def reading_table(readings: Path, dictionary: Path) -> dict[str, str]:
    """Reading id → ARPAbet: of the dictionary's readings the one nearest to the IPA, else the IPA itself."""
    known: dict[str, list[tuple[str, ...]]] = defaultdict(list)
    for line in dictionary.read_text(encoding="utf-8").splitlines():
        word, _, symbols = line.partition("#")[0].strip().partition(" ")
        known[re.sub(r"\(\d\)", "", word)].append(tuple(symbols.split()))
    rows = [line.split("\t") for line in readings.read_text(encoding="utf-8").splitlines()]
    wanted = {
        name: notation.pronunciation(re.sub(r"[0-9]", "", ipa), "ipa").symbols
        for _, name, _, ipa in rows
        if name != "wordid"
    }
    table = {}
    for word, name, _, _ in rows:
        if name not in wanted:
            continue
        nearest = min(known.get(word.lower(), []), key=lambda found: distance(found, wanted[name]), default=())
        others = [wanted[other] for own, other, _, _ in rows if own == word and other != name and other in wanted]
        fits = nearest and all(distance(nearest, wanted[name]) < distance(nearest, other) for other in others)
        table[name] = " ".join(nearest if fits else wanted[name])
    return table


def distance(one: tuple[str, ...], other: tuple[str, ...]) -> float:
    """Edit distance of two readings; a difference of stress alone counts a half."""
    row = [float(place) for place in range(len(other) + 1)]
    for place, symbol in enumerate(one, start=1):
        previous, row[0] = row[0], float(place)
        for column, target in enumerate(other, start=1):
            same = 0.0 if symbol == target else _difference(symbol, target)
            previous, row[column] = row[column], min(row[column] + 1, row[column - 1] + 1, previous + same)
    return row[-1]


def _difference(symbol: str, target: str) -> float:
    if {symbol[:-1], target[:-1]} == {"AH", "IH"} and "1" not in symbol + target:
        return 0.3
    return 0.5 if symbol.rstrip("012") == target.rstrip("012") else 1.0


def main() -> None:
    """Train, write, and print the share of held-out words that are read right."""
    homographs, readings, dictionary, folder = map(Path, sys.argv[1:])
    with gzip.open(homographs, "rt", encoding="utf-8") as file:
        rows = [line.split("\t") for line in file.read().splitlines()]
    rows = [row for row in rows if "\u2581" in row[2]]
    training = [example(*row) for row in rows if not is_held_out(row[2])]
    held_out = [example(*row) for row in rows if is_held_out(row[2])]
    table = reading_table(readings, dictionary)
    extra = [line.split("\t") for line in HAND_WRITTEN.strip().split("\n")]
    training += 3 * [example(*row) for row in extra if row[1] in table]
    counts = counted(training)
    usual = {
        word: next(
            (name for name in names if table[name] == " ".join(english.known(word) or ())), names.most_common(1)[0][0]
        )
        for word, names in counts.items()
    }
    training = [Example(one.word, one.features, usual[one.word], one.reading) for one in training]
    save(train(training, counts), counts, folder / "heteronyms.npz")
    (folder / "heteronyms.tbl").write_bytes(tables.pack(table | {f"={word}": name for word, name in usual.items()}))
    model = classifier.load(folder / "heteronyms.npz")
    right = sum(classifier.best(model, one.word, one.features, usual[one.word]) == one.reading for one in held_out)
    first = sum(usual[one.word] == one.reading for one in held_out)
    print(f"{len(training)} trained on, {len(held_out)} held out: dictionary {first / len(held_out):.4f}, ", end="")
    print(f"model {right / len(held_out):.4f}; {(folder / 'heteronyms.npz').stat().st_size} bytes")


if __name__ == "__main__":
    main()
