"""`resay export`: the weights in another precision, as a folder that `--models` takes. Needs onnx, not torch."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Literal

import typer

from ..synthesis import SHIPPED
from . import precision as precisions

app = typer.Typer(add_completion=False, rich_markup_mode=None)


@app.command()
def export(
    out: Annotated[Path, typer.Argument(metavar="OUT", help="Folder to write, for `resay speak --models OUT`.")],
    precision: Annotated[Literal["fp32", "fp16", "int8"], typer.Option(help="Of the parameters.")] = "int8",
    target: Annotated[
        Literal["cpu", "cuda", "tensorrt", "arm"], typer.Option("--for", help="What it will run on; arm saves memory.")
    ] = "cpu",
    models: Annotated[
        Path, typer.Option("--models", "--model", metavar="DIR", help="Weights to convert.", show_default=False)
    ] = SHIPPED,
    as_json: Annotated[bool, typer.Option("--json", help="Report as JSON on standard output.")] = False,
) -> None:
    """Write the weights in another precision."""
    sizes = precisions.export(models, out, precision, target)
    total = sum(sizes.values())
    if as_json:
        print(json.dumps({"out": str(out), "precision": precision, "for": target, "graphs": sizes, "bytes": total}))
    else:
        print(f"{out}: {len(sizes)} graphs, {total / 1e6:.1f} MB in {precision} for {target}")
