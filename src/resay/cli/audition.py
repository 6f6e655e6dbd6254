"""`resay audition`: a page to listen to several takes and choose one."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from .. import audio, audition, manifest, outputs, takes
from ..audition import Spoken, Variant
from ..errors import BadFile, BadOption
from ..manifest import Manifest
from ..outputs import Staging
from ..voices import VoiceLibrary
from . import casting, options, seeds, sources
from .messages import message

if TYPE_CHECKING:
    from ..synthesis import Engine

PAGE = "index.html"
FOLDER = Path("outputs") / "audition"

Vary = Annotated[
    list[str] | None,
    typer.Option(
        "--vary", metavar="|".join(audition.VARIABLES), help="The one thing that differs.", show_default="seed"
    ),
]
Values = Annotated[
    list[str] | None, typer.Option("--values", metavar="A,B,C", help="Of what differs; texts one by one.")
]
Folder = Annotated[Path, typer.Option("-o", "--output", metavar="DIR", help="Where page, sounds and manifests go.")]
Choose = Annotated[str | None, typer.Option("--choose", metavar="VALUE", help="Save this take of DIR as a role.")]
Name = Annotated[str | None, typer.Option("--name", metavar="ROLE", help="What the chosen role is called.")]


@options.grouped
def audition_command(
    text: options.Text = None,
    file: options.File = None,
    who: casting.Who = casting.Who(),
    seeds_: Annotated[str | None, typer.Option("--seeds", metavar="A,B,C", help="Short for --vary seed.")] = None,
    vary: Vary = None,
    values: Values = None,
    output: Folder = FOLDER,
    manner: casting.Manner = casting.Manner(),
    choose: Choose = None,
    name: Name = None,
    scene: Annotated[str, typer.Option(help="With --choose: what the role is for.", show_default=False)] = "",
    character: Annotated[str, typer.Option(help="With --choose: what is heard.", show_default=False)] = "",
    shelves: sources.Shelves = sources.Shelves(),
    weights: sources.Weights = sources.Weights(),
    as_json: options.Json = False,
) -> None:
    """Speak TEXT several times with one thing changed, and make a page to listen and choose by."""
    if choose is not None:
        if name is None:
            raise BadOption(message("name_wanted"))
        seeds.save_accepted(name, _take(choose, output), (scene, character), shelves, as_json)
        return
    variable = _variable(vary, seeds_, values)
    fixed = {"seed": manner.seed, "sampling": manner.sampling, "style-strength": manner.style_strength}
    if variable in fixed and fixed[variable] is not None:
        raise BadOption(message("varied", option=f"--{variable}", variable=variable))
    known = casting.role(who.role, shelves.seeds_file)
    listed = _listed(variable, seeds_, values)
    names = who.names().with_role(known)
    if variable == "voice":
        if who.voice is not None:
            raise BadOption(message("varied", option="--voice", variable=variable))
        names = replace(names, voice=listed[0] if listed else None)
    request = manner.request(sources.raw_text(text, file), known)
    variants = audition.variants(request, variable, listed)
    spoken = _perform(sources.engine(weights), variants, names, shelves.library, output, variable)
    _print(spoken, output, as_json)


def _variable(vary: list[str] | None, seeds_: str | None, values: list[str] | None) -> str:
    if len(set(vary or ())) > 1:
        raise BadOption(message("two_variables", variables=" and ".join(dict.fromkeys(vary or ()))))
    variable = vary[0] if vary else "seed"
    if variable not in audition.VARIABLES:
        raise BadOption(message("no_variable", variable=variable, variables=", ".join(audition.VARIABLES)))
    if seeds_ is not None and (variable != "seed" or values):
        raise BadOption(message("two_variables", variables=f"{variable} and seed" if variable != "seed" else "--seeds"))
    return variable


def _listed(variable: str, seeds_: str | None, values: list[str] | None) -> list[str]:
    """The values as written: texts have commas of their own, so each is given by itself."""
    if variable == "punctuation":
        return list(values or ())
    written = [part.strip() for value in [seeds_ or "", *(values or ())] for part in value.split(",") if part.strip()]
    return [str(sources.seed(value)) for value in written] if variable == "seed" else written


def _perform(
    engine: Engine, variants: list[Variant], names: casting.Names, known: VoiceLibrary, folder: Path, variable: str
) -> list[Spoken]:
    """All takes and the page, together or not at all."""
    spoken = []
    casts: dict[str | None, takes.Cast] = {}
    with outputs.staging() as staged:
        for variant in variants:
            if variant.voice not in casts:
                chosen = casting.chosen(replace(names, voice=variant.voice or names.voice), known)
                casts[variant.voice] = casting.cast(chosen, variant.request, engine)
            spoken.append(_spoken(engine, variant, casts[variant.voice], staged, folder))
        title = f"{variants[0].request.text.strip()[:60]}"
        staged.add(folder / PAGE, audition.page(title, spoken, variable).encode())
    return spoken


def _spoken(engine: Engine, variant: Variant, cast: takes.Cast, staged: Staging, folder: Path) -> Spoken:
    target = folder / f"{variant.label}.wav"
    made = takes.record(engine, variant.request, cast, staged, target, day=date.today())
    sound = audio.read(staged.content(target), longest=made.manifest.output.seconds + 1)
    return Spoken(variant, made.manifest, sound, str(target.with_suffix(".json")))


def _take(value: str, folder: Path) -> Manifest:
    """The manifest of one take of an audition's folder. Raises BadFile."""
    path = folder / f"{value}.json"
    if not path.is_file():
        there = ", ".join(sorted(it.stem for it in folder.glob("*.json"))) or "-"
        raise BadFile(message("no_take", value=value, folder=folder, takes=there))
    return manifest.read(path)


def _print(spoken: list[Spoken], folder: Path, as_json: bool) -> None:
    if as_json:
        listed = [
            {"label": it.variant.label, "manifest": it.manifest_path, "digest": it.manifest.output.digest}
            for it in spoken
        ]
        print(json.dumps({"page": str(folder / PAGE), "takes": listed}, ensure_ascii=False))
    else:
        print(message("auditioned", page=folder / PAGE, takes=", ".join(it.variant.label for it in spoken)))
