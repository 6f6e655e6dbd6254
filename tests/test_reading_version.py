"""Readings change only together with `text.VERSION`, and symbols only with `phonemes.VERSION`.

`cases/readings.lock` keeps a digest of how each case sentence is read. After a change that is meant, raise the version
and write the file again:

    python tests/test_reading_version.py
"""

from __future__ import annotations

import hashlib
import json
import sys
from pathlib import Path

from resay import text
from resay.text import phonemes

CASES = Path(__file__).parent / "cases"
LOCK = CASES / "readings.lock"


def case_texts() -> list[str]:
    """First columns of all case files, each once."""
    lines = [line for path in sorted(CASES.glob("*.tsv")) for line in path.read_text(encoding="utf-8").splitlines()]
    return list(dict.fromkeys(line.split("\t")[0] for line in lines if line and not line.startswith("#")))


def digest(content: str) -> str:
    return hashlib.sha256(content.encode()).hexdigest()[:16]


def reading(written: str) -> str:
    """Digest of all phonemes of a text."""
    return digest(" ".join(symbol for sentence in text.sentences(written) for symbol in sentence.phonemes))


def symbols() -> str:
    """Digest of the phoneme table in its order."""
    return digest(" ".join(phonemes.SYMBOLS))


def lock() -> dict[str, dict[str, str]]:
    return json.loads(LOCK.read_text(encoding="utf-8"))


def test_readings_stay_within_a_version() -> None:
    changed = [written for written, kept in lock()["readings"].items() if reading(written) != kept]
    assert changed == [], "raise resay.text.VERSION, then run `python tests/test_reading_version.py`"


def test_the_locked_version_is_the_one_in_use() -> None:
    assert max(lock()["versions"], key=int) == str(text.VERSION)
    assert lock()["versions"][str(text.VERSION)] == digest(json.dumps(lock()["readings"], sort_keys=True))


def test_symbols_stay_within_a_table_version() -> None:
    assert max(lock()["tables"], key=int) == str(phonemes.VERSION)
    assert lock()["tables"][str(phonemes.VERSION)] == symbols(), "raise resay.text.phonemes.VERSION"


def test_every_version_read_something_otherwise() -> None:
    versions = lock()["versions"].values()
    assert len(set(versions)) == len(versions)


def write() -> str:
    """Write the file; gives the reason where a version would have to rise first."""
    kept = lock() if LOCK.exists() else {"versions": {}, "tables": {}, "readings": {}}
    readings = {written: reading(written) for written in case_texts()}
    moved = {written for written, known in kept["readings"].items() if readings.get(written, known) != known}
    if moved and kept["versions"].get(str(text.VERSION)):
        return f"{len(moved)} texts are read otherwise ({sorted(moved)[0]}): raise resay.text.VERSION first"
    if kept["tables"].get(str(phonemes.VERSION), symbols()) != symbols():
        return "the symbols have changed: raise resay.text.phonemes.VERSION first"
    versions = kept["versions"] | {str(text.VERSION): digest(json.dumps(readings, sort_keys=True))}
    tables = kept["tables"] | {str(phonemes.VERSION): symbols()}
    content = {"versions": versions, "tables": tables, "readings": readings}
    LOCK.write_text(json.dumps(content, ensure_ascii=False, indent=0) + "\n", encoding="utf-8")
    return ""


if __name__ == "__main__":
    sys.exit(write())
