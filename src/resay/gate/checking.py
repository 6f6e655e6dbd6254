"""Every check of the gate on one recording, and on a set of them with their texts."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from .. import audio, pitch, quality, text
from ..aligner import Aligner
from ..alignment import Alignment, align
from ..audio import FORMAT, Audio
from ..errors import BadAudio, BadText
from ..quality import Finding, Report, finding
from ..reference import Reference
from ..text import Sentence
from .coverage import Coverage, coverage
from .coverage import findings as gaps
from .ears import Ears, Heard

SPOILING = frozenset("music echo several_speakers clipped noisy text_differs".split())
"""What a voice would take over for its own timbre, or learn for other words: no training on it unless it is forced."""
MOST_WRONG = 0.3
"""Share of a text's words that may be missing from the sound before the text counts as another one."""
DISTURBANCES = {
    "music": ("music", "music behind the voice", "the voice will hum and drone", "record without music"),
    "echo": ("echo", "the room echoes", "the voice will sound far away", "record nearer, among curtains or cushions"),
    "voices": (
        "several_speakers",
        "somebody else speaks at the same time",
        "the voice becomes a mixture",
        "record one person alone",
    ),
    "other_speaker": (
        "several_speakers",
        "another person seems to speak here",
        "the voice becomes a mixture",
        "keep what one person says",
    ),
}
"""By what was heard: code, what it is, its effect, what to do."""


@dataclass(frozen=True, eq=False)
class Item:
    """One recording to check."""

    name: str
    sound: Audio
    text: str | None = None
    language: str = "auto"


@dataclass(frozen=True, eq=False)
class Verdict:
    """What was found in one recording."""

    name: str
    sound: Audio
    report: Report
    """With the findings of all checks."""
    sentence: Sentence | None = None
    alignment: Alignment | None = None

    @property
    def passed(self) -> bool:
        """Nothing worse than advice was found."""
        return all(it.severity == "advice" for it in self.report.findings)


class Gate:
    """The checks with the networks that they need. It keeps nothing between recordings."""

    def __init__(self, reference: Reference, aligner: Aligner | None = None, ears: Ears | None = None) -> None:
        self._reference, self._aligner = reference, aligner
        self._ears = ears or Ears()

    def check(self, item: Item) -> Verdict:
        """All checks of one recording. Raises BadText where the text cannot be read; all else is a finding."""
        report = quality.check(item.sound)
        if not report.accepted:
            return Verdict(item.name, item.sound, report)
        shared = item.sound.resampled(FORMAT.sample_rate)
        mel = audio.log_mel(shared.samples)
        speech = quality.speech_frames(audio.energy(mel), audio.speech_level(mel))
        other = self._ears.other_speaker(mel, pitch.track(shared), speech, self._reference.timbre)
        heard = [*self._ears.hear(mel), *([other] if other else [])]
        found = [*report.findings, *_disturbances(heard)]
        sentence, alignment = None, None
        if item.text is not None and self._aligner is not None:
            sentence = text.sentence(item.text, item.language)
            alignment = align(mel, sentence, self._aligner)
            found += _disagreements(alignment)
        found = [replace(it, severity="refusal") if _spoils(it) else it for it in found]
        return Verdict(item.name, item.sound, replace(report, findings=tuple(found)), sentence, alignment)


def _spoils(it: Finding) -> bool:
    return it.code in SPOILING and it.severity == "warning"


def _disturbances(heard: Iterable[Heard]) -> list[Finding]:
    found: dict[str, Finding] = {}
    for one in sorted(heard, key=lambda it: -it.sureness):
        code, what, effect, advice = DISTURBANCES[one.kind]
        found.setdefault(code, finding(code, "warning", what, effect, advice, (one.start, one.end)))
    return list(found.values())


def _disagreements(alignment: Alignment) -> list[Finding]:
    """Where text and sound differ; a text of which much is not heard is another text."""
    wrong = [it for it in alignment.disagreements if it.kind == "missing"]
    if alignment.words and len(wrong) > MOST_WRONG * len(alignment.words):
        what = f"{len(wrong)} of {len(alignment.words)} words of the text are not heard"
        advice = "see whether this is the text of this recording"
        return [finding("text_differs", "warning", what, "the voice would learn wrong sounds", advice)]
    said = {
        "missing": ("missing_words", "is in the text but not heard"),
        "extra": ("extra_words", "something is said that is not in the text"),
        "repeated": ("repeated_words", "is said twice"),
    }
    found = []
    for it in alignment.disagreements:
        code, what = said[it.kind]
        what = f"{it.text!r} {what}" if it.text else what
        advice = "mend the text or record again"
        where = (it.start, it.end)
        found.append(finding(code, "warning", what, "training would learn sounds for other letters", advice, where))
    return found


def gate(
    files: Sequence[Path],
    texts: Sequence[str | None],
    checks: Gate,
    language: str = "auto",
    watch: Callable[[Path], None] | None = None,
) -> tuple[list[Verdict], list[Finding], Coverage | None]:
    """Check recordings with their texts (None where there is none) before anything is trained on them.

    Returns the verdict on each, all findings with the names of their clips (those with severity `refusal` forbid
    training), and what the texts cover. A file that cannot be read, or whose text cannot, is a refusal too.
    """
    verdicts, found, sentences = [], [], []
    for path, said in zip(files, texts, strict=True):
        try:
            verdict = checks.check(Item(str(path), audio.read(path), said, language))
        except (BadAudio, BadText) as error:
            code = "unreadable" if isinstance(error, BadAudio) else "bad_text"
            found.append(Finding(code, "refusal", str(error), clip=str(path)))
            continue
        finally:
            if watch:
                watch(path)
        verdicts.append(verdict)
        found += [replace(it, clip=str(path)) for it in verdict.report.findings]
        if said is not None:
            sentences.append(verdict.sentence or text.sentence(said, language))
    covered = coverage(sentences) if sentences else None
    return verdicts, found + (gaps(covered) if covered else []), covered
