"""Size, speed, errors, similarity and quality of the weights in every precision.

    python bench/precision.py [--judges DIR] [--sentences 10] [--write docs/precision.md]

All precisions speak the same sentences with the same seed, and the plans of fp32 once more, so that sounds can be laid
over each other: the distance of mels is between those. Errors, similarity and DNSMOS need judges.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import sections

from resay import audio
from resay.audio import Audio
from resay.evaluate import about, sentences, transcripts
from resay.evaluate.judges import Judges
from resay.evaluate.tables import NOTHING, table
from resay.synthesis import SHIPPED, Engine, Request, Speech
from resay.train import precision
from resay.voices import Voice, VoiceLibrary

KINDS = (("fp32", "cpu"), ("fp16", "cpu"), ("int8", "cpu"), ("int8", "arm"), ("fp16", "cuda"), ("int8", "tensorrt"))
PAGE = """# Precision

Written by `python bench/precision.py --judges DIR --sentences {each} --write docs/precision.md`; do not edit. {count}
sentences in {voices} voices.

{table}
Size is of all graphs on disk. Real time factor on one thread; all run on the processor here, whatever they are for.
Mel distance is the mean over bands and frames against fp32 with equal plans, in nepers (0.115 is 1 dB).
Judges: {judges}. Errors are of words or characters. Similarity is the mean cosine to the other sentences of the same
voice as fp32 says them, so that fp32 itself has one too.

Measured on {machine.processor}, {machine.cores} cores (load {machine.load:.1f}), onnxruntime {runtime}.
"""


@dataclass
class Heard:
    """Sums over sentences of one precision."""

    seconds: float = 0.0
    taken: float = 0.0
    distances: list[float] = field(default_factory=list)
    vectors: list[tuple[str, np.ndarray]] = field(default_factory=list)
    """Of every sound its voice and what the judge hears, in the order of the sentences."""
    dnsmos: list[float] = field(default_factory=list)
    errors: int = 0
    length: int = 0


def hear(heard: Heard, engine: Engine, text: str, voice: Voice, plain: Speech, judges: Judges) -> None:
    """One sentence: spoken freely, for speed and judges, then with the plans of fp32, to be laid over it."""
    request = Request(text, language=voice.language)
    begun = time.perf_counter()
    said = engine.say(request, voice).audio
    heard.taken += time.perf_counter() - begun
    heard.seconds += said.seconds
    laid = engine.say(request, voice, plans=[piece.plan for piece in plain.pieces]).audio
    heard.distances.append(float(np.abs(_mel(laid) - _mel(plain.audio)).mean()))
    if judges.speaker_encoder:
        heard.vectors.append((voice.name, judges.speaker_encoder.embed(said)))
    if judges.recogniser:
        count = transcripts.count_errors(text, judges.recogniser.transcribe(said, voice.language), voice.language)
        heard.errors, heard.length = heard.errors + count.errors, heard.length + count.length
    if judges.dnsmos:
        heard.dnsmos.append(judges.dnsmos.score(said)["overall"])


def _mel(sound: Audio) -> np.ndarray:
    return audio.log_mel(sound.samples)


def similarity(heard: Heard, plain: Heard) -> float:
    """Mean cosine of every sound to the other sentences of its voice in the plain precision."""
    pairs = [
        float(own @ other)
        for place, (voice, own) in enumerate(heard.vectors)
        for at, (of, other) in enumerate(plain.vectors)
        if at != place and of == voice
    ]
    return float(np.mean(pairs))


def measure(models: Path, voices: list[Voice], count: int, judges: Judges) -> str:
    """The table."""
    found, plain = [], {}
    texts = [(text, voice) for voice in voices for text in sentences.unseen(voice.language, count)]
    with tempfile.TemporaryDirectory() as folder:
        for kind, target in KINDS:
            out = Path(folder) / f"{kind}-{target}"
            size = sum(precision.export(models, out, kind, target).values())
            engine, heard = Engine(out, threads=1), Heard()
            for text, voice in texts:
                key = text, voice.name
                plain.setdefault(key, engine.say(Request(text, language=voice.language), voice))
                hear(heard, engine, text, voice, plain[key], judges)
            found.append((f"{kind} for {target}", size, heard))
    rows = [_row(name, size, found[0][1], heard, found[0][2]) for name, size, heard in found]
    head = ["precision", "MB", "of fp32", "real time factor", "mel distance", "errors", "similarity", "DNSMOS"]
    return table(head, rows)


def _row(name: str, size: int, whole: int, heard: Heard, plain: Heard) -> list[str]:
    return [
        name,
        f"{size / 1e6:.1f}",
        f"{size / whole:.0%}",
        f"{heard.taken / heard.seconds:.3f}",
        f"{np.mean(heard.distances):.4f}",
        f"{100 * heard.errors / heard.length:.1f} %" if heard.length else NOTHING,
        f"{similarity(heard, plain):.3f}" if heard.vectors else NOTHING,
        f"{np.mean(heard.dnsmos):.2f}" if heard.dnsmos else NOTHING,
    ]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--judges", type=Path)
    parser.add_argument("--models", type=Path, default=SHIPPED)
    parser.add_argument("--sentences", type=int, default=10, help="of each voice")
    parser.add_argument("--write", type=Path)
    options = parser.parse_args()
    library, judges = VoiceLibrary(), Judges.open(options.judges)
    voices = [next(voice for voice in library if voice.language == language) for language in ("zh", "en")]
    found = measure(options.models, voices, options.sentences, judges)
    machine = about.machine()
    page = PAGE.format(
        each=options.sentences,
        count=2 * options.sentences,
        voices=len(voices),
        table=found,
        judges=", ".join(judges.names) or "none",
        machine=machine,
        runtime=machine.packages["onnxruntime"],
    )
    sections.publish(page, options.write)
    return 0


if __name__ == "__main__":
    sys.exit(main())
