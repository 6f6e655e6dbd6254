"""What the gate found, as JSON and as one page with pictures and sounds that needs nothing else."""

from __future__ import annotations

import base64
import html
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from .. import audio, pictures, pitch
from ..audio import FORMAT
from ..pictures import Drawn, Mark
from ..quality import Finding
from .checking import Verdict
from .coverage import Coverage

WORDS = {
    "refusal": "Refused · 不合格",
    "warning": "Warning · 警告",
    "advice": "Advice · 建议",
    "passed": "Passed · 合格",
}


def to_json(verdicts: Sequence[Verdict], found: Sequence[Finding], covered: Coverage | None) -> dict[str, Any]:
    """Plain values: every clip with its figures and findings, findings of no single clip, what the texts cover."""
    clips = [
        {"clip": it.name, "passed": it.passed, "accepted": it.report.accepted, **asdict(it.report)} for it in verdicts
    ]
    known = {it.name for it in verdicts}
    coverage = {**asdict(covered), "missing": covered.missing} if covered else None
    return {
        "passed": all(it.severity == "advice" for it in found),
        "accepted": all(it.severity != "refusal" for it in found),
        "clips": clips,
        "findings": [asdict(it) for it in found if it.clip not in known],
        "coverage": coverage,
    }


def page(title: str, verdicts: Sequence[Verdict], found: Sequence[Finding], covered: Coverage | None) -> str:
    """The whole page as HTML."""
    known = {it.name for it in verdicts}
    others = [it for it in found if it.clip not in known]
    body = [f"<h1>{html.escape(title)}</h1>", _summary(verdicts), _table(others)]
    if covered:
        body.append(_covered(covered))
    body += [_card(verdict) for verdict in verdicts]
    head = f'<meta charset="utf-8"><title>{html.escape(title)}</title><style>{_STYLE}</style>'
    return f'<!doctype html><html lang="en"><head>{head}</head><body>{"".join(body)}</body></html>\n'


def _summary(verdicts: Sequence[Verdict]) -> str:
    passed = sum(verdict.passed for verdict in verdicts)
    return f"<p>{passed} / {len(verdicts)} {WORDS['passed']}</p>"


def _table(found: Sequence[Finding]) -> str:
    if not found:
        return ""
    rows = []
    for it in found:
        when = "" if it.start is None or it.end is None else f"{it.start:.2f}–{it.end:.2f} s"
        what = it.message.split(": ")[0] if it.effect else it.message
        cells = [WORDS[it.severity], it.clip, when, what, it.effect, it.advice]
        rows.append(f"<tr class={it.severity}>{''.join(f'<td>{html.escape(cell)}</td>' for cell in cells)}</tr>")
    names = ("", "Clip · 音频", "When · 时间", "What · 问题", "Effect · 影响", "What to do · 建议")
    head = "".join(f"<th>{name}</th>" for name in names)
    return f"<table><tr>{head}</tr>{''.join(rows)}</table>"


def _covered(covered: Coverage) -> str:
    rows = []
    for group, counts in covered.counts.items():
        cells = " ".join(
            f"<span class={'there' if count else 'missing'}>{html.escape(sound)}&nbsp;{count}</span>"
            for sound, count in counts.items()
        )
        rows.append(f"<p><strong>{group}</strong> {cells}</p>")
    lead = f"<p>{covered.sentences} texts, {covered.questions} questions · {covered.questions} 个问句</p>"
    return f"<h2>Coverage · 覆盖</h2>{lead}{''.join(rows)}"


def _card(verdict: Verdict) -> str:
    shared = verdict.sound.resampled(FORMAT.sample_rate)
    report = verdict.report
    marks = [Mark(it.code, it.start, it.end) for it in report.findings if it.start is not None and it.end is not None]
    drawn = pictures.picture([Drawn(verdict.name, shared, pitch.track(shared))], marks=marks)
    sound = base64.b64encode(audio.encode(shared, "opus")).decode()
    facts = (
        f"{report.seconds:.1f} s · {report.level_db:.0f} dB · noise {report.noise_floor_db:.0f} dB · "
        f"{report.bandwidth_hz / 1000:.1f} kHz · {report.pitch_hz:.0f} Hz · {report.rate:.1f} syllables/s"
    )
    worst = "passed" if verdict.passed else "warning" if report.accepted else "refusal"
    return (
        f"<section class={worst}><h2>{html.escape(verdict.name)}</h2><p>{WORDS[worst]} · <small>{facts}</small></p>"
        f'{_table(report.findings)}<audio controls src="data:audio/ogg;base64,{sound}"></audio>{drawn}</section>'
    )


_STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; max-width: 64rem; margin: 2rem auto; padding: 0 1rem }
section { border: 1px solid #ccc; border-left: 6px solid #2f855a; border-radius: 8px; padding: 1rem; margin: 1rem 0 }
section.warning { border-left-color: #b7791f } section.refusal { border-left-color: #c53030 }
h2 { font-size: 1.1rem; overflow-wrap: anywhere } audio { width: 100% } svg { width: 100%; height: auto }
table { border-collapse: collapse; width: 100%; font-size: .9rem } td, th { border: 1px solid #ddd; padding: .3rem }
th { text-align: left } tr.refusal td:first-child { color: #c53030 } tr.warning td:first-child { color: #975a16 }
span.missing { color: #c53030; font-weight: bold } span { white-space: nowrap; margin-right: .4rem }
"""
