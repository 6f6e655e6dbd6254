"""`resay federated dictionary opt-in|opt-out|status|take|write`: what is counted, and what all agreed on."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from ..errors import BadFile
from ..text import Lexicon
from .dictionaries import Shelf

app = typer.Typer(help="Readings that many hold, shared with all; the others stay here.", rich_markup_mode=None)

Folder = Annotated[Path, typer.Argument(metavar="SHELF", help="Folder of your lexicon and what was agreed on.")]
Words = Annotated[list[str], typer.Argument(metavar="WORD...", help="Words of your lexicon.")]
Json = Annotated[bool, typer.Option("--json", help="Report as JSON on standard output.")]


@app.command("opt-in")
def opt_in(
    folder: Folder,
    words: Words,
    lexicon: Annotated[
        Path | None, typer.Option("--lexicon", metavar="FILE", help="Take this lexicon onto the shelf first.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Have these words counted with everybody else's from the next round on."""
    if lexicon is not None:
        Lexicon.load(lexicon).save(folder / "own.jsonl")
    shelf = Shelf.open(folder)
    shelf.opt_in(words)
    _print(shelf, as_json)


@app.command("opt-out")
def opt_out(folder: Folder, words: Words, as_json: Json = False) -> None:
    """Count these words no more. What many hold and was published stays published."""
    shelf = Shelf.open(folder)
    shelf.opt_out(words)
    _print(shelf, as_json)


@app.command("status")
def status(folder: Folder, as_json: Json = False) -> None:
    """What stays here, what is counted, what was agreed on."""
    _print(Shelf.open(folder), as_json)


@app.command("take")
def take(
    folder: Folder,
    increment: Annotated[Path, typer.Argument(metavar="INCREMENT", help="What the server has sent.")],
    as_json: Json = False,
) -> None:
    """Merge an increment of the shared dictionary; one that was taken before changes nothing."""
    shelf = Shelf.open(folder)
    try:
        content = increment.read_bytes()
    except OSError as error:
        raise BadFile(f"{increment}: cannot be read ({error.strerror or error})") from error
    shelf.take(content)
    _print(shelf, as_json)


@app.command("write")
def write(
    folder: Folder,
    output: Annotated[Path, typer.Option("-o", "--output", metavar="OUT")],
    as_json: Json = False,
) -> None:
    """Write a lexicon for --lexicon: what all agreed on, under your own entries."""
    shelf = Shelf.open(folder)
    shelf.lexicon().save(output)
    _print(shelf, as_json)


def _print(shelf: Shelf, as_json: bool) -> None:
    agreed = shelf.published.lexicon()
    facts = {"own": len(shelf.own.entries), "counted": sorted(word for word, _ in shelf.shared())}
    facts |= {"agreed": len(agreed.entries), "round": agreed.version}
    if as_json:
        typer.echo(json.dumps(facts, ensure_ascii=False))
        return
    counted = ", ".join(word for word, _ in shelf.shared()) or "nothing"
    told = f"{len(agreed.entries)} agreed on by round {agreed.version}"
    typer.echo(f"{len(shelf.own.entries)} entries of your own; counted: {counted}; {told}")
