"""What a table was made with: machine, versions, weights and how they were trained."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

PACKAGES = ("resay", "onnxruntime", "numpy")


@dataclass(frozen=True)
class Machine:
    """Where and with what it ran. Nothing in it names a user or a folder."""

    processor: str
    cores: int
    system: str
    python: str
    packages: dict[str, str]
    load: float
    """Processes that wanted the processor in the minute before: beside other work everything takes longer."""


def machine() -> Machine:
    """This one, now."""
    return Machine(
        processor=_processor(),
        cores=os.cpu_count() or 1,
        system=f"{platform.system()} {platform.machine()}",
        python=platform.python_version(),
        packages={name: _version(name) for name in PACKAGES},
        load=round(os.getloadavg()[0], 2) if hasattr(os, "getloadavg") else 0.0,
    )


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        return next(line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


def _version(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return "not installed"


def weights(models: Path) -> dict[str, Any]:
    """Content of `model.json` in a folder of weights, and their size; empty where there is none."""
    path = models / "model.json"
    if not path.exists():
        return {}
    content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    total = sum(file.stat().st_size for file in models.rglob("*") if file.is_file())
    return {**content, "bytes": total}


def training_rows(shape: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Stage and what it was trained on, in words, from what `model.json` keeps under `training`."""
    training = shape.get("training")
    if not isinstance(training, Mapping):
        return []
    told = ("hours", "lines", "licences", "commit", "torch")
    rows = []
    for stage, manifest in training.items():
        kept = {name: manifest[name] for name in told if name in manifest}
        minutes = manifest["curve"][-1].get("minutes") if manifest.get("curve") else None
        rows.append((str(stage), _words(({"minutes": minutes} if minutes else {}) | kept)))
    return rows


def _words(value: object) -> str:
    if isinstance(value, Mapping):
        return "; ".join(f"{name} {_words(inner)}" for name, inner in value.items())
    if isinstance(value, list | tuple):
        return ", ".join(_words(inner) for inner in value)
    return f"{value:g}" if isinstance(value, float) else str(value)


def notice() -> str:
    """The licence notice of the weights' training data, as installed with the package; empty where it is not."""
    try:
        return (metadata.distribution("resay").read_text("licenses/NOTICE") or "").strip()
    except metadata.PackageNotFoundError:
        return ""
