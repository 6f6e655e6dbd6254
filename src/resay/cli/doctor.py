"""`resay doctor`: does this installation work, and how quick is it?"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass

from .. import manifest
from ..errors import BadOption, BrokenModel, ResayError
from ..onnx_graph import PROVIDERS, default_engine_cache, missing
from ..synthesis import Engine, Request
from ..voices import Voice, VoiceLibrary
from . import options, sources
from .messages import message

SAMPLE = {"zh": "再说一遍，一字不差。", "en": "Say it again, exactly."}


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at."""

    name: str
    well: bool
    detail: str


@options.grouped
def doctor(
    voices: options.Voices = None,
    weights: sources.Weights = sources.Weights(),
    as_json: options.Json = False,
) -> None:
    """Look at versions, weights and voices, and speak one sentence twice. Exit code 2 where something is wrong."""
    library = sources.library(voices)
    findings = [Finding("versions", True, ", ".join(f"{name} {is_}" for name, is_ in manifest.runtime().items()))]
    findings.append(_examined("providers", lambda: _told(weights.provider)))
    findings.append(_examined("voices", lambda: _voices(library)))
    findings.append(_examined("speech", lambda: _speech(library, weights)))
    if as_json:
        print(json.dumps({"well": all(it.well for it in findings), "findings": [asdict(it) for it in findings]}))
    else:
        for finding in findings:
            print(f"{'ok ' if finding.well else 'BAD'}  {finding.name}: {finding.detail}")
    ill = [f"{finding.name}: {finding.detail}" for finding in findings if not finding.well]
    if ill:
        raise BrokenModel(message("unwell", problems="; ".join(ill)))


def providers(as_json: options.Json = False) -> None:
    """List what the networks can run on here, and why not on the others."""
    found = {name: missing(name) for name in PROVIDERS}
    if as_json:
        listed = [{"provider": name, "usable": not reason, "reason": reason} for name, reason in found.items()]
        print(json.dumps({"providers": listed, "engine_cache": str(default_engine_cache())}))
        return
    for name, reason in found.items():
        print(f"{name:10}{reason or message('usable')}")


def _told(wanted: str) -> str:
    """Which of the providers are usable. Raises BadOption where the wanted one is not: asked for, it is examined."""
    if reason := missing(wanted):
        raise BadOption(reason)
    return ", ".join(name for name in PROVIDERS if not missing(name))


def _examined(name: str, look: Callable[[], str]) -> Finding:
    try:
        return Finding(name, True, look())
    except ResayError as error:
        return Finding(name, False, str(error))


def _voices(library: VoiceLibrary) -> str:
    return f"{len(list(library))} in {', '.join(str(folder) for folder in library.folders)}"


def _speech(library: VoiceLibrary, weights: sources.Weights) -> str:
    started = time.perf_counter()
    engine = sources.engine(weights)
    loaded = time.perf_counter() - started
    voice = next(iter(library), None)
    if voice is None:
        raise BrokenModel("there is no voice to speak with")
    first, factor = _said(engine, voice)
    again, factor_again = _said(engine, voice)
    if first != again:
        raise BrokenModel("the same request gave two different sounds")
    factor = min(factor, factor_again)
    return f"weights loaded in {loaded:.2f} s, {voice.name} speaks at real time factor {factor:.3f}, twice the same"


def _said(engine: Engine, voice: Voice) -> tuple[str, float]:
    started = time.perf_counter()
    sound = engine.say(Request(SAMPLE[voice.language]), voice).audio
    return sound.digest(), (time.perf_counter() - started) / max(sound.seconds, 1e-3)
