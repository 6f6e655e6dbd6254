"""`resay key add|list|remove`: who may use the server."""

from __future__ import annotations

import json
from datetime import date
from typing import Annotated

import typer

from ..server.keys import SCOPES, Keys, default_folder
from . import options
from .messages import message

app = typer.Typer(help="Keys to the server: add, list, remove.", rich_markup_mode=None)

Name = Annotated[str, typer.Argument(metavar="NAME", help="Whose key it is.")]
Scope = Annotated[
    list[str] | None,
    typer.Option("--scope", metavar="speak|manage", help="What it is good for; may repeat. By default both."),
]


@app.command("add")
def add(name: Name, scope: Scope = None, data: options.Data = None, as_json: options.Json = False) -> None:
    """Make a key. It is shown this once and kept nowhere."""
    key, secret = _keys(data).add(name, scope or SCOPES, date.today())
    if as_json:
        print(json.dumps({"id": key.id, "name": key.name, "scopes": key.scopes, "key": secret}, ensure_ascii=False))
    else:
        print(message("key_added", name=key.name, scopes=" ".join(key.scopes)))
        print(secret)


@app.command("list")
def listing(data: options.Data = None, as_json: options.Json = False) -> None:
    """List the keys, without their secrets."""
    known = [{"id": key.id, "name": key.name, "scopes": key.scopes, "made": key.made} for key in _keys(data).all()]
    if as_json:
        print(json.dumps({"keys": known}, ensure_ascii=False))
        return
    for key in known:
        print(f"{key['id']}  {key['made']}  {' '.join(key['scopes']):12}  {key['name']}")


@app.command("remove")
def remove(
    name: Annotated[str, typer.Argument(metavar="NAME|ID")], data: options.Data = None, as_json: options.Json = False
) -> None:
    """Delete a key: from now on it opens nothing. Voices that it brought stay on the disk."""
    key = _keys(data).remove(name)
    print(json.dumps({"removed": key.id}) if as_json else message("key_removed", name=key.name))


def _keys(data: options.Data) -> Keys:
    return Keys((data or default_folder()) / "keys.json")
