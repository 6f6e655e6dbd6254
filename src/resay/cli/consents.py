"""`resay consent give|check|withdraw|withdrawn|key`: who agreed to what, signed; and who agrees no more."""

from __future__ import annotations

import json
from datetime import date, datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from .. import audio, consent, voices
from ..consent import Consent, Kind, Use
from ..errors import BadAudio, BadOption
from ..manifest import digest_of
from ..signing import SigningKey
from . import options, sources
from .messages import message

app = typer.Typer(help="Give, check and withdraw a speaker's consent.", rich_markup_mode=None)

Uses = Annotated[list[Use], typer.Option("--use", help="What is agreed to; may repeat.")]
LastDay = Annotated[
    datetime | None, typer.Option("--until", formats=["%Y-%m-%d"], help="The last day it holds; no end by default.")
]
Clips = Annotated[
    list[Path] | None, typer.Option("--clip", help="The only clips that may be cloned under it; may repeat.")
]
KeyFile = Annotated[
    Path | None, typer.Option("--key", metavar="PEM", help="Sign with this Ed25519 key instead of this machine's.")
]
Source = Annotated[str, typer.Argument(metavar="FILE|VOICE", help="A consent record, or a voice that carries one.")]


@app.command("give")
def give(
    speaker: Annotated[str, typer.Option("--speaker", help="Who agrees.")],
    use: Uses,
    statement: Annotated[str, typer.Option("--statement", help="What is agreed to, in the speaker's words.")],
    output: Annotated[Path, typer.Option("-o", "--output", metavar="OUT")],
    until: LastDay = None,
    clip: Clips = None,
    key: KeyFile = None,
    as_json: options.Json = False,
) -> None:
    """Write a signed consent record, for --consent OUT. Its statement may be changed by nobody afterwards."""
    if not speaker.strip() or not statement.strip():
        raise BadOption("--speaker and --statement must say something")
    clips = tuple(_digest(path) for path in clip or ())
    last = None if until is None else until.date()
    agreed = Consent(speaker.strip(), frozenset(use), last, statement.strip(), Kind.WRITTEN, clips)
    signing = SigningKey.kept(consent.folder() / consent.KEY_FILE) if key is None else SigningKey.load(key)
    agreed = agreed.signed(signing)
    audio.write_bytes(output, (json.dumps(agreed.to_json(), ensure_ascii=False, indent=2) + "\n").encode())
    if as_json:
        print(json.dumps({"output": str(output), **_facts(agreed)}, ensure_ascii=False))
    else:
        print(message("consent_given", output=output, key=signing.public, **_told(agreed)))


@app.command("check")
def check(
    source: Source,
    use: Annotated[Use | None, typer.Option("--use", help="Whether it allows this.")] = None,
    folder: options.Voices = None,
    as_json: options.Json = False,
) -> None:
    """Say what was agreed to, and whether it stands today. Exit code 3 where it does not."""
    agreed = _consent(source, folder)
    if use is None:
        agreed.check(date.today())
    else:
        agreed.require(use, date.today())
    if as_json:
        print(json.dumps(_facts(agreed), ensure_ascii=False))
        return
    signed = message("unsigned") if agreed.signature is None else message("signed_by", key=agreed.signature.key)
    print(message("consent_stands", source=source, signed=signed, **_told(agreed)))


@app.command("withdraw")
def withdraw(source: Source, folder: options.Voices = None, as_json: options.Json = False) -> None:
    """Withdraw a consent on this machine: whatever rests on it is refused from now on, with exit code 3."""
    agreed = _consent(source, folder)
    fresh = consent.withdraw(agreed, date.today())
    if as_json:
        print(json.dumps({"consent": agreed.id, "speaker": agreed.speaker, "withdrawn": fresh}, ensure_ascii=False))
    else:
        said = "consent_withdrawn" if fresh else "consent_withdrawn_already"
        print(message(said, consent=agreed.id, speaker=agreed.speaker))


@app.command("withdrawn")
def withdrawn(as_json: options.Json = False) -> None:
    """List the consents that were withdrawn on this machine."""
    entries = list(consent.withdrawn_entries())
    if as_json:
        print(json.dumps({"withdrawn": entries}, ensure_ascii=False))
        return
    for entry in entries:
        print(f"{entry['day']}  {entry['consent']}  {entry['speaker']}")


@app.command("key")
def key_command(as_json: options.Json = False) -> None:
    """Show the public key that this machine signs with; it is made where there is none."""
    path = consent.folder() / consent.KEY_FILE
    public = SigningKey.kept(path).public
    print(json.dumps({"key": public, "file": str(path)}) if as_json else public)


def _consent(source: str, folder: Path | None) -> Consent:
    """Of a record in a file, or of a voice by name or file. Raises BadFile, UnknownVoice."""
    path = Path(source)
    if path.suffix.lower() == voices.SUFFIX:
        return voices.load(path).consent
    if path.is_file():
        return consent.from_file(path)
    return sources.library(folder).get(source).consent


def _digest(clip: Path) -> str:
    try:
        return digest_of(clip.read_bytes())
    except OSError as error:
        raise BadAudio(message("no_such_clip", clip=clip)) from error


def _facts(agreed: Consent) -> dict[str, Any]:
    return {**agreed.to_json(), "id": agreed.id}


def _told(agreed: Consent) -> dict[str, str]:
    uses = ", ".join(sorted(use.value for use in agreed.uses))
    return {"speaker": agreed.speaker, "uses": uses, "until": str(agreed.until or message("no_end"))}
