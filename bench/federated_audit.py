"""Attack a training with the usual settings and write what was found into docs/privacy.md, between its markers.

    python bench/federated_audit.py [--page docs/privacy.md] [-- OPTIONS OF resay federated audit]

Exits as `resay federated audit` does: 1 where a protected line fails, or a control.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

BEGIN, END = "<!-- audit:begin -->", "<!-- audit:end -->"
BOUND = {"control": "at least {:.2f}", "protected": "at most {:.2f}", "open": "told only"}


def table(report: dict[str, Any]) -> str:
    training, lines = report["training"], report["lines"]
    rows = "\n".join(
        f"| {line['attack']} | {line['seen']} | {line['kind']} | {line['found']:.2f} | "
        f"{BOUND[line['kind']].format(line['limit'])} | {line['chance']:.2f} | "
        f"{'ok' if line['passed'] else '**fails**'} |"
        for line in lines
    )
    epsilon = "without end" if report["epsilon"] is None else f"{report['epsilon']:.2f}"
    return (
        f"A population of {training['population']:,}, each asked with a chance of {training['sampling']:g}, "
        f"{training['rounds']} rounds, clip {training['clip']:g}, noise {training['noise']:g}: ε {epsilon} at δ "
        f"{report['delta']:.1e}.\n\n"
        f"| attack | what is seen | | found | must be | chance | |\n|-|-|-|-|-|-|-|\n{rows}"
    )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--page", type=Path, default=Path("docs/privacy.md"))
    parser.add_argument("options", nargs="*", help="of `resay federated audit`, after --")
    options = parser.parse_args()
    command = [sys.executable, "-m", "resay", "federated", "audit", "--json", *options.options]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
    if not done.stdout.strip():
        return done.returncode
    page = options.page.read_text(encoding="utf-8")
    before, _, rest = page.partition(BEGIN)
    _, _, after = rest.partition(END)
    found = table(json.loads(done.stdout))
    options.page.write_text(f"{before}{BEGIN}\n{found}\n{END}{after}", encoding="utf-8")
    return done.returncode


if __name__ == "__main__":
    sys.exit(main())
