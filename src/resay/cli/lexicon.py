"""`resay lexicon check|add|diff|merge|import|export`: dictionaries of readings, and what changes between two."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from .. import audio
from ..errors import BadLexicon, BadOption
from ..text import Lexicon, pls
from ..text import lexicon as lexicons
from . import options, sources
from .messages import message

app = typer.Typer(help="Dictionaries of readings: check, extend, compare, exchange.", rich_markup_mode=None)

File = Annotated[Path, typer.Argument(metavar="FILE", help="A lexicon, JSONL or PLS.")]
Files = Annotated[list[Path], typer.Argument(metavar="FILE...", help="Lexicons, JSONL or PLS.")]
Output = Annotated[Path | None, typer.Option("-o", "--output", metavar="OUT")]


@app.command("check")
def check(files: Files, as_json: options.Json = False) -> None:
    """Say what each lexicon holds, and file, line and column of every entry that is wrong. Exit code 2 where one is."""
    reports = []
    problems: list[lexicons.Problem] = []
    for file in files:
        lexicon, found = lexicons.read(file)
        told = [{"line": it.line, "column": it.column, "message": it.message} for it in found]
        reports.append({**_facts(file, lexicon), "problems": told})
        problems += found
    if as_json:
        print(json.dumps({"accepted": not problems, "files": reports}, ensure_ascii=False))
    else:
        for report in reports:
            if not report["problems"]:
                print(message("lexicon_state", **report))
        for problem in problems:
            print(problem)
    if problems:
        raise BadLexicon(message("bad_entries", count=len(problems), problem=problems[0]))


@app.command("add")
def add(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A lexicon; it is made where there is none.")],
    grapheme: Annotated[str, typer.Argument(metavar="WORD")],
    phoneme: Annotated[str, typer.Argument(metavar="READING", help="Pinyin, ARPAbet or /IPA/.")],
    as_json: options.Json = False,
) -> None:
    """Add WORD with its READING, or change it. The version goes up by one where that changes anything."""
    lexicon = Lexicon.load(file) if file.exists() else Lexicon()
    added = lexicon.add(grapheme, phoneme)
    if added is not lexicon:
        added.save(file)
    _print(_facts(file, added), as_json)


@app.command("diff")
def diff(
    old: Annotated[Path, typer.Argument(metavar="OLD")],
    new: Annotated[Path, typer.Argument(metavar="NEW")],
    output: Output = None,
    as_json: options.Json = False,
) -> None:
    """Write the increment that turns OLD into NEW: what was added, changed and removed, and nothing else."""
    if output is None and as_json:
        raise BadOption(message("not_with", option="--json", other="standard output"))
    increment = Lexicon.load(old).diff(Lexicon.load(new))
    if output is None:
        print(increment.to_json())
        return
    audio.write_bytes(output, (increment.to_json() + "\n").encode())
    facts = {
        "output": str(output),
        "changed": len(increment.changed),
        "removed": len(increment.removed),
        "version": increment.version,
        "base": f"sha256:{increment.base}",
        "digest": f"sha256:{increment.digest}",
    }
    print(json.dumps(facts, ensure_ascii=False) if as_json else message("increment_written", **facts))


@app.command("merge")
def merge(
    base: Annotated[Path, typer.Argument(metavar="BASE", help="The lexicon that is brought up to date.")],
    changes: Annotated[list[Path], typer.Argument(metavar="INCREMENT...", help="Increments, or whole lexicons.")],
    output: Output = None,
    as_json: options.Json = False,
) -> None:
    """Bring BASE up to date with increments, in their order; a whole lexicon's entries win over those before it."""
    merged = Lexicon.load(base)
    for path in changes:
        merged = _merged(merged, lexicons.read_change(path), path)
    merged.save(output or base)
    _print(_facts(output or base, merged), as_json)


def _merged(lexicon: Lexicon, change: lexicons.Increment | Lexicon, path: Path) -> Lexicon:
    if isinstance(change, Lexicon):
        return lexicon.merge(change)
    if change.digest == lexicon.digest:
        sources.note(message("increment_known", increment=path))
        return lexicon
    try:
        return lexicon.apply(change)
    except BadLexicon as error:
        raise BadLexicon(f"{path}: {error}") from error


@app.command("import")
def import_command(file: File, output: Output = None, as_json: options.Json = False) -> None:
    """Read a W3C PLS document and write it as JSONL: beside it, or as OUT."""
    target = output or file.with_suffix(".jsonl")
    if target.suffix.lower() in pls.ENDINGS or target == file:
        raise BadOption(message("lexicon_ending", output=target, endings=".jsonl"))
    _convert(file, target, as_json)


@app.command("export")
def export(file: File, output: Output = None, as_json: options.Json = False) -> None:
    """Write a lexicon as a W3C PLS document: beside it, or as OUT."""
    target = output or file.with_suffix(".pls")
    if target.suffix.lower() not in pls.ENDINGS or target == file:
        raise BadOption(message("lexicon_ending", output=target, endings=" / ".join(pls.ENDINGS)))
    _convert(file, target, as_json)


def _convert(file: Path, target: Path, as_json: bool) -> None:
    lexicon = Lexicon.load(file)
    lexicon.save(target)
    _print(_facts(target, lexicon), as_json)


def _facts(file: Path, lexicon: Lexicon) -> dict[str, Any]:
    digest = f"sha256:{lexicon.digest}"
    return {"file": str(file), "entries": len(lexicon.entries), "version": lexicon.version, "digest": digest}


def _print(facts: dict[str, Any], as_json: bool) -> None:
    print(json.dumps(facts, ensure_ascii=False) if as_json else message("lexicon_state", **facts))
