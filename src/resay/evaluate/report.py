"""What an evaluation found, as a page and as JSON. `docs/quality.md` is this page; nobody writes it by hand."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import date
from typing import Any

from .about import Machine, training_rows
from .evaluation import Plans
from .hearing import Hearing, Row
from .likeness import Case, Likeness
from .rivals import Facts
from .sentences import Text
from .speed import OURS, Cold, Speed
from .tables import NOTHING, figure, percent, table

LANGUAGE_NAMES = {"zh": "Mandarin", "en": "English", "all": "both"}

HEAD = """# Quality

Made by `resay evaluate --judges DIR --corpus DIR{options} --write docs/quality.md` on {day}; do not edit.
Judges: {judges}.

- Brackets hold the 95 % interval (bootstrap over utterances; over speakers for likeness); n counts utterances.
- Lower is better for CER (Mandarin characters) and WER (English words), higher for DNSMOS (1 to 5) and similarity.
- The recogniser's own mistakes are part of every error rate: read a row against those of people and other systems.
  Syllables are Mandarin again, compared by pinyin with tone, so that a homophone is no error.
- Our own sentences are in `src/resay/evaluate/sentences.json` and in no corpus. People are held-out speakers of the
  training corpus with texts of their own, many of them full of names: their error rates compare with the vocoder's.
{said}"""


@dataclass(frozen=True)
class Report:
    """All figures of one run. Parts that were not measured are empty."""

    day: date
    machine: Machine
    judges: Sequence[str]
    digests: dict[str, str]
    """Stage to digest of its graph."""
    shape: dict[str, Any]
    """Content of `model.json`."""
    notice: str
    rows: Sequence[Row]
    voices: Sequence[Row]
    plans: Sequence[Plans]
    likeness: Sequence[Likeness]
    refused: Sequence[str]
    speed: Sequence[Speed]
    cold: Cold | None
    rivals: Sequence[Facts]
    """Other systems that spoke in this run."""
    texts: Sequence[Text]
    """What was said instead of our own sentences."""
    hearings: Sequence[Hearing]
    cases: Sequence[Case]

    def to_json(self) -> dict[str, Any]:
        """Plain values, every utterance included."""
        content = asdict(self)
        content["day"] = self.day.isoformat()
        return content

    def markdown(self) -> str:
        """The whole page."""
        judges = ", ".join(self.judges) or "none (fetch them with `resay evaluate judges --into DIR`)"
        options = "".join(f" --text {text.language}={text.file}" for text in self.texts)
        options += "".join(f" {rival.option}" for rival in self.rivals)
        parts = [HEAD.format(day=self.day.isoformat(), judges=judges, options=options, said=_said(self.texts))]
        sections = [
            ("Words and sound", _hearing_table(self.rows, "system") + _rivals(self.rivals)),
            ("Default voices one by one", _hearing_table(self.voices, "voice")),
            ("Likeness of clones", _likeness_table(self.likeness, self.refused)),
            ("Plans", _plans_table(self.plans)),
            ("Speed", _speed_table(self.speed, self.cold)),
            ("Weights", _weights(self)),
        ]
        parts += [f"## {title}\n\n{body}" for title, body in sections if body]
        return "\n".join(parts)


def _said(texts: Sequence[Text]) -> str:
    return "".join(
        f"- {LANGUAGE_NAMES[text.language]} is not said from our own sentences here, but from `{text.file}`, which has"
        f" {len(text.lines)}: {text.digest}.\n"
        for text in texts
    )


def _hearing_table(rows: Sequence[Row], first: str) -> str:
    if not rows:
        return ""
    header = (
        *(first, "language", "n", "speakers", "CER / WER", "syllables", "DNSMOS overall"),
        *("pitch, Hz", "spread, semitones", "s"),
    )
    cells = [
        (
            *(row.system, LANGUAGE_NAMES[row.language], str(row.count), str(row.speakers)),
            *(percent(row.error_rate), percent(row.syllable_error_rate), figure(row.quality)),
            *(f"{row.pitch_hz:.0f}", f"{row.pitch_spread:.1f}", f"{row.seconds:.0f}"),
        )
        for row in rows
    ]
    return table(header, cells)


def _rivals(rivals: Sequence[Facts]) -> str:
    """Who the others are, below their rows."""
    if not rivals:
        return ""
    note = (
        "\nRivals spoke in this run, with the sentences, threads and judges of the default voices. They are fed resay's"
        " reading in the symbols that each was trained on (`docs/rivals.md`), not their own readers':\n\n"
    )
    return note + "".join(
        f"- {rival.system}: {', '.join(rival.voices)}; {rival.bytes / 1e6:.1f} MB, {rival.digest}\n" for rival in rivals
    )


def _likeness_table(rows: Sequence[Likeness], refused: Sequence[str]) -> str:
    if not rows:
        return ""
    note = (
        "Held-out speakers, one clip cloned: the clone's sentences against another clip of the same speaker and against"
        " nine other held-out speakers. Similarity is the cosine of speaker vectors; the same person's is between the"
        f" cloned clip and the other one. ECAPA-TDNN has taught the networks since the timbre encoder follows it, so"
        f" GE2E, which has not, says how far that carries. Clips that the product refuses: {len(refused)}.\n\n"
    )
    names = "judge,language,speakers,nearest of ten,similarity,same person,share of it,strangers"
    cells = [
        (
            *(row.judge, LANGUAGE_NAMES[row.language], str(row.nearest.count), percent(row.nearest)),
            *(figure(row.similarity), figure(row.same_person), percent(row.share), figure(row.strangers)),
        )
        for row in rows
    ]
    return note + table(names.split(","), cells)


def _plans_table(plans: Sequence[Plans]) -> str:
    if not plans:
        return ""
    note = (
        "Monotonic: every phoneme has its own stretch of sound, in order. Rate: against the corpus, in standard"
        " deviations. Strange: phonemes more than three deviations from their usual length; the corpus' own synthetic"
        " speech has about 2 % of those.\n\n"
    )
    header = ("language", "utterances", "monotonic", "phonemes a second", "rate, sd", "strange lengths")
    cells = [
        (
            *(LANGUAGE_NAMES[plan.language], str(plan.utterances), f"{100 * plan.monotonic:.1f} %"),
            *(f"{plan.rate:.1f}", f"{plan.rate_score:+.2f}", f"{100 * plan.strange:.1f} %"),
        )
        for plan in plans
    ]
    return note + table(header, cells)


def _speed_table(speed: Sequence[Speed], cold: Cold | None) -> str:
    if not speed:
        return ""
    header: tuple[str, ...] = ("threads", "real time factor", "first sound, ms", "cold command, s", "peak memory, MB")
    cells: list[tuple[str, ...]] = [
        (
            *(str(one.threads), f"{one.real_time_factor:.3f}", f"{1000 * one.first_sound:.0f}"),
            f"{cold.seconds:.2f}" if cold and one.system == OURS else NOTHING,
            f"{cold.peak_bytes / 1e6:.0f}" if cold and cold.peak_bytes and one.system == OURS else NOTHING,
        )
        for one in speed
    ]
    note = "Medians; `docs/benchmarks.md` has more."
    if any(one.system != OURS for one in speed):
        header = ("system", *header)
        cells = [(one.system, *row) for one, row in zip(speed, cells, strict=True)]
        note += " Systems took turns sentence by sentence; a rival's first sound is its whole first piece."
    return f"{note}\n\n" + table(header, cells)


def _weights(report: Report) -> str:
    if not report.digests:
        return ""
    body = table(("stage", "digest"), [(stage, digest) for stage, digest in report.digests.items()])
    size = report.shape.get("bytes")
    if size:
        body += f"\n{size / 1e6:.1f} MB on disk.\n"
    training = training_rows(report.shape)
    if training:
        body += "\n" + table(("stage", "training"), training)
    machine = report.machine
    packages = ", ".join(f"{name} {version}" for name, version in machine.packages.items())
    cores = f"{machine.cores} cores (load {machine.load:g})"
    body += f"\nMeasured on {machine.processor}, {cores}, Python {machine.python}, {packages}.\n"
    return f"{body}\n```text\n{report.notice}\n```\n" if report.notice else body
