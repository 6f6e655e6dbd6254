"""Options that several commands share, worded once."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

Language = Literal["auto", "zh", "en"]

Text = Annotated[str | None, typer.Argument(metavar="TEXT", help="What to speak; - reads standard input.")]
File = Annotated[Path | None, typer.Option("--file", metavar="F", help="Read the text from a UTF-8 file.")]
InLanguage = Annotated[Language, typer.Option("--language", help="Decides where a text has no letters of its own.")]
Lexicons = Annotated[
    list[Path] | None, typer.Option("--lexicon", metavar="FILE", help="Readings that win; may repeat.")
]
Consent = Annotated[str | None, typer.Option("--consent", metavar="own|FILE", help="The speaker's agreement.")]
Voices = Annotated[
    Path | None, typer.Option("--voices", metavar="DIR", help="Your voices, instead of the usual folder.")
]
Models = Annotated[Path | None, typer.Option("--models", metavar="DIR", help="Weights, instead of the shipped ones.")]
Threads = Annotated[int, typer.Option("--threads", min=1, max=256, help="Threads of each network.")]
Provider = Annotated[Literal["cpu", "cuda", "tensorrt"], typer.Option("--provider", help="What the networks run on.")]
Json = Annotated[bool, typer.Option("--json", help="Report as JSON on standard output.")]
