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
Phoneme = Annotated[
    bool, typer.Option("--phoneme", help="Read words as configs/G2P_replace_dict.jsonl says; --lexicon goes before it.")
]
Consent = Annotated[str | None, typer.Option("--consent", metavar="own|FILE", help="The speaker's agreement.")]
Voices = Annotated[
    Path | None, typer.Option("--voices", metavar="DIR", help="Your voices, instead of the usual folder.")
]
Models = Annotated[Path | None, typer.Option("--models", metavar="DIR", help="Weights, instead of the shipped ones.")]
Adapter = Annotated[
    Path | None, typer.Option("--adapter", metavar="FILE", help="What many speakers have taught the model together.")
]
Threads = Annotated[int, typer.Option("--threads", min=1, max=256, help="Threads of each network.")]
Provider = Annotated[Literal["cpu", "cuda", "tensorrt"], typer.Option("--provider", help="What the networks run on.")]
Json = Annotated[bool, typer.Option("--json", help="Report as JSON on standard output.")]

Voice = Annotated[str | None, typer.Option("--voice", metavar="NAME|CLIP", help="Who speaks.")]
Role = Annotated[str | None, typer.Option("--role", help="Voice, seed and settings of the seed library.")]
Seeds = Annotated[
    Path | None, typer.Option("--seeds-file", metavar="FILE", help="Seed library, instead of the usual one.")
]
PromptText = Annotated[str | None, typer.Option(help="What is said in the clip.")]
Style = Annotated[str | None, typer.Option("--style", metavar="NAME|CLIP", help="Who it is said like.")]
StyleStrength = Annotated[
    float | None, typer.Option("--style-strength", help="0 is neutral, 1 as in the style.", show_default="1.0")
]
Seed = Annotated[
    str | None,
    typer.Option("--seed", metavar="N|random", help="The same seed gives the same speech.", show_default="42"),
]
SamplingMethod = Annotated[
    Literal["ras", "topk", "greedy"] | None,
    typer.Option("--sampling", help="How prosody is drawn.", show_default="ras"),
]
TopK = Annotated[int | None, typer.Option("--top-k", help="Choices to draw from.")]
Temperature = Annotated[float | None, typer.Option("--temperature", help="Above 1 is livelier.")]
Speed = Annotated[float | None, typer.Option("--speed", help="0.25 to 4; 2 is twice as fast.", show_default="1.0")]
SampleRate = Annotated[int, typer.Option("--sample-rate", metavar="24000|32000", help="Samples a second.")]
FileFormat = Annotated[Literal["wav", "mp3", "opus", "flac", "pcm"] | None, typer.Option("--format")]
Embed = Annotated[bool, typer.Option("--embed-manifest", help="Put the manifest inside the WAV or FLAC as well.")]
