"""Options that all stages of `resay train` share, worded once."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

Cache = Annotated[Path, typer.Option(help="Where features and annotations are kept.")]
Runs = Annotated[Path, typer.Option(help="Where checkpoints, logs and samples go, one folder a stage.")]
Minutes = Annotated[float, typer.Option(help="Wall-clock budget.")]
Steps = Annotated[int | None, typer.Option(help="Step budget instead of minutes.")]
Threads = Annotated[int, typer.Option(help="Processor threads.")]
Seed = Annotated[int, typer.Option(help="Of the starting weights and of the order of the data.")]
Device = Annotated[str, typer.Option(help="cpu or cuda.")]
Resume = Annotated[bool, typer.Option(help="Go on from the checkpoint.")]
Rate = Annotated[float, typer.Option(help="Highest learning rate.")]
Init = Annotated[Path | None, typer.Option(help="Start from the exported weights in this folder.")]
Repeated = Annotated[int, typer.Option(min=1, help="How often an epoch takes the default voices' clips.")]

CACHE, RUNS = Path("runs/cache"), Path("runs/out")
