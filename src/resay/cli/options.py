"""Options that several commands share, worded once, and groups of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import fields, is_dataclass
from functools import wraps
from importlib.util import find_spec
from inspect import Parameter, Signature, signature
from pathlib import Path
from typing import Annotated, Any, Literal, get_type_hints

import typer

from ..errors import BadOption, BadRequest
from .messages import message

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
Models = Annotated[
    Path | None, typer.Option("--models", "--model", metavar="DIR", help="Weights, instead of the shipped ones.")
]
Adapter = Annotated[
    Path | None, typer.Option("--adapter", metavar="FILE", help="What many speakers have taught the model together.")
]
Threads = Annotated[int, typer.Option("--threads", min=1, max=256, help="Threads of each network.")]
Provider = Annotated[Literal["cpu", "cuda", "tensorrt"], typer.Option("--provider", help="What the networks run on.")]
Where = Annotated[Literal["local", "ray"], typer.Option("--engine", help="This machine, or a Ray cluster.")]
Address = Annotated[
    str | None,
    typer.Option("--address", metavar="HOST:PORT", help="Of the Ray cluster; without it this machine's, or a new one."),
]
EngineCache = Annotated[
    Path | None,
    typer.Option("--engine-cache", metavar="DIR", help="Where TensorRT keeps what it has built, for the next start."),
]
Json = Annotated[bool, typer.Option("--json", help="Report as JSON on standard output.")]

Voice = Annotated[str | None, typer.Option("--voice", metavar="NAME|CLIP", help="Who speaks.")]
Role = Annotated[str | None, typer.Option("--role", help="Voice, seed and settings of the seed library.")]
Seeds = Annotated[
    Path | None, typer.Option("--seeds-file", metavar="FILE", help="Seed library, instead of the usual one.")
]
PromptText = Annotated[
    str | None, typer.Option("--prompt-text", metavar="WORDS", help="What is said in the clip of --voice.")
]
Style = Annotated[str | None, typer.Option("--style", metavar="NAME|CLIP", help="Who it is said like.")]
StyleStrength = Annotated[
    float | None, typer.Option("--style-strength", help="0 is neutral, 1 as in the style.", show_default="1.0")
]
Accent = Annotated[
    float | None,
    typer.Option(
        "--accent",
        help="0 to 1: how far the speaker's own accent is kept; 0 is a native's delivery.",
        show_default="0.0",
    ),
]
Context = Annotated[bool, typer.Option("--context/--no-context", help="Carry intonation over sentences.")]
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
SampleRate = Annotated[
    int,
    typer.Option("--sample-rate", metavar="24000|32000", help="Samples a second; 32000 adds what lies above 12 kHz."),
]
FileFormat = Annotated[Literal["wav", "mp3", "opus", "flac", "pcm"] | None, typer.Option("--format")]
Embed = Annotated[bool, typer.Option("--embed-manifest", help="Put the manifest inside the WAV or FLAC as well.")]


def grouped(command: Callable[..., None]) -> Callable[..., None]:
    """The command as typer wants it: every parameter that is a dataclass has become the options that its fields are.

    Fields that are no options (not `Annotated`) keep their defaults.
    """
    hints = get_type_hints(command, include_extras=True)
    groups = {name: list(_options(hint)) for name, hint in hints.items() if is_dataclass(hint)}
    parameters: list[Parameter] = []
    for parameter in signature(command).parameters.values():
        plain = [parameter.replace(annotation=hints[parameter.name])]
        parameters += groups.get(parameter.name, plain)

    @wraps(command)
    def flat(**given: Any) -> None:
        for name, members in groups.items():
            given[name] = hints[name](**{member.name: given.pop(member.name) for member in members})
        command(**given)

    flat.__signature__ = Signature(parameters)  # type: ignore[attr-defined]
    flat.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    return flat


def _options(group: Any) -> Iterator[Parameter]:
    hints = get_type_hints(group, include_extras=True)
    for field in fields(group):
        if hasattr(hints[field.name], "__metadata__"):
            kind = Parameter.POSITIONAL_OR_KEYWORD
            yield Parameter(field.name, kind, default=field.default, annotation=hints[field.name])


Data = Annotated[
    Path | None, typer.Option("--data", metavar="DIR", help="The server's folder, instead of the usual one.")
]
Database = Annotated[
    str | None, typer.Option("--database", metavar="URL", help="Where jobs are kept, instead of $RESAY_DATABASE.")
]


def on_cluster(command: str, engine: str, only_there: Mapping[str, object]) -> bool:
    """Whether `--engine` means a Ray cluster. Raises BadOption for what has no meaning then, BadRequest without Ray."""
    if engine == "local":
        for option, value in only_there.items():
            if value is not None:
                raise BadOption(message("not_with", option=option, other="--engine local"))
        return False
    if find_spec("ray") is None:
        raise BadRequest(message("extra", command=f"{command} --engine ray", module="ray", extra="cluster"))
    return True
