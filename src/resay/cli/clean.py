"""`resay clean`: old sounds go, what somebody refers to stays."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Annotated

import typer

from ..errors import BadOption
from ..seeds import SeedLibrary
from . import options, sources
from .jobs import store_of
from .messages import message


def clean(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Where sounds lie.")] = Path("outputs"),
    older_than: Annotated[str | None, typer.Option(metavar="30d", help="Sounds older than this go.")] = None,
    larger_than: Annotated[
        str | None, typer.Option(metavar="5GB", help="The oldest go until the rest takes no more than this.")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would go.")] = False,
    seeds_file: options.Seeds = None,
    data: options.Data = None,
    database: options.Database = None,
    as_json: options.Json = False,
) -> None:
    """Delete sounds with their manifests and subtitles, but none that a role or an unfinished job refers to."""
    if older_than is None and larger_than is None:
        raise BadOption(message("clean_nothing"))
    with sources.extra("clean"):
        from ..jobs import retention
        from ..server import keys

        store = store_of(data, database)
    older = None if older_than is None else retention.age(older_than)
    larger = None if larger_than is None else retention.size(larger_than)
    server = data or keys.default_folder()
    libraries = [SeedLibrary(seeds_file), *(SeedLibrary(path) for path in server.glob("keys/*/seeds.jsonl"))]
    kept = retention.referred_to(role for library in libraries for role in library)
    busy = [job.folder for job in store.all() if not job.finished]
    found = list(retention.sounds(folder))
    going = retention.chosen(found, kept=kept, busy=busy, now=time.time(), older=older, larger=larger)
    if not dry_run:
        retention.delete(going, folder)
    facts = {
        "folder": str(folder),
        "count": len(going),
        "size": sum(sound.bytes for sound in going) / 1e6,
        "kept": len(found) - len(going),
        "named": sum(bool(sound.digests & kept) for sound in found),
    }
    if as_json:
        print(json.dumps({**facts, "dry_run": dry_run, "going": [str(sound.path) for sound in going]}))
        return
    for sound in going:
        print(sound.path)
    print(message("would_clean" if dry_run else "cleaned", **facts))
