"""The command line of the GLM-TTS documents, word for word, over resay.

    python glmtts_inference.py --data=example_zh --exp_name=_prod_v1 --use_cache --seed=42 --sample_rate=24000
    SEED=42 python glmtts_inference.py --data=example_zh --exp_name=_test --phoneme

Reads examples/DATA.jsonl, writes outputs/pretrainEXP_NAME/DATA/UTTID.wav with a manifest beside each, and prints the
seed. `--phoneme` reads words as configs/G2P_replace_dict.jsonl says. `--use_cache` keeps how texts are read, for the
next time; it never changes the sound. Table and lexicon lie where the command is called, else beside this script.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

try:
    from resay.cli import main as resay
except ModuleNotFoundError as missing:
    print(
        f"glmtts_inference.py: {missing.name} is not installed; run `make setup` and .venv/bin/python", file=sys.stderr
    )
    sys.exit(2)

ROOT = Path(__file__).resolve().parent
LEXICON = Path("configs") / "G2P_replace_dict.jsonl"
DEFAULT_SEED = "42"


def options(arguments: Sequence[str]) -> argparse.Namespace:
    """The documents' options, and no others. Exits with 2 for anything else."""
    parser = argparse.ArgumentParser(prog="glmtts_inference.py", description="Speak examples/DATA.jsonl.")
    parser.add_argument("--data", default="example_zh", help="name of a table in examples/, without .jsonl")
    parser.add_argument("--exp_name", default="", help="names the folder: outputs/pretrainEXP_NAME")
    parser.add_argument("--use_cache", action="store_true", help="keep how texts are read: saves time, changes nothing")
    parser.add_argument("--phoneme", "--use_phoneme", action="store_true", help=f"read words as {LEXICON} says")
    parser.add_argument("--seed", help="decides everything that is drawn by chance; else $SEED, else 42")
    parser.add_argument("--sample_rate", default="24000", help="24000 or 32000 samples a second")
    return parser.parse_args(arguments)


def main(arguments: Sequence[str]) -> int:
    """Run the batch that the options mean. Returns its exit code."""
    chosen = options(arguments)
    for value in (chosen.data, chosen.exp_name):
        if "/" in value or "\\" in value or value.startswith("."):
            print(f"glmtts_inference.py: {value!r} must be a plain name", file=sys.stderr)
            return 2
    table = _found(Path("examples") / f"{chosen.data}.jsonl")
    folder = Path("outputs") / f"pretrain{chosen.exp_name}" / chosen.data
    command = ["batch", str(table), "-o", str(folder), "--sample-rate", chosen.sample_rate]
    command += ["--seed", chosen.seed or os.environ.get("SEED") or DEFAULT_SEED]
    command += ["--lexicon", str(_found(LEXICON))] if chosen.phoneme else []
    command += ["--use-cache"] if chosen.use_cache else []
    return resay(command)


def _found(path: Path) -> Path:
    """A file where the command was called, else beside this script."""
    return path if path.exists() else ROOT / path


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
