"""A prosody model that has heard public speech only: what a simulated population starts from.

The weights that ship have heard every speaker of the corpus, so nothing could be learnt from them any more. This base
has heard the synthetic speech and what single readers gave to the public; everybody else is a client.
"""

from __future__ import annotations

import shutil
from pathlib import Path

from ..train import annotations, export, loop, prosody_net, prosody_stage, recordings, release
from ..train.acoustic_stage import Collator, Example, examples
from ..train.vectors import Vectors

PUBLIC = frozenset({"synthetic", "ljspeech", "kathleen", "matthes", "cmn_hsk", "cmn_syl"})
"""Sets of the corpus that make up the base; the speakers of all others are the population."""


def public(rows: list[Example]) -> list[Example]:
    return [row for row in rows if row.clip.set in PUBLIC]


def private(rows: list[Example]) -> list[Example]:
    return [row for row in rows if row.clip.set not in PUBLIC]


def collator(data: recordings.Recordings, cache: Path) -> Collator:
    """Everything that a cache knows of its clips. Raises BadFile where a part of it was not made yet."""
    return Collator(data, annotations.profiles(cache), annotations.Heard(data, cache), Vectors(cache))


def train(cache: Path, models: Path, out: Path, minutes: float, steps: int | None, threads: int) -> None:
    """Train on the public sets and export the three prosody graphs, with the `model.json` of `models`, into `out`.

    Raises BadFile where the cache holds no features.
    """
    data = recordings.Recordings(cache)
    material = collator(data, cache)
    code = release.read_codes(models / "model.json")
    rows, kept = (public(examples(data, cache, held_out=held_out)) for held_out in (False, True))
    plans, kept_plans = ([prosody_stage.measured(material, row) for row in part] for part in (rows, kept))
    net = prosody_net.ProsodyNet(prosody_net.ProsodyShape())
    options = loop.Options(out, minutes, steps, 1.5e-3, warmup=50, threads=threads, decay=0.99)
    batches = prosody_stage.batches(material, rows, plans, code, 0, 1500)
    check = prosody_stage.Check(material, kept, kept_plans, code)
    export.export_prosody(loop.train(net, batches, prosody_net.losses, options, check), out)
    shutil.copy(models / "model.json", out / "model.json")
