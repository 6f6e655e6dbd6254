"""Write the exact versions that an image is made of, for the Python and the system this runs on.

make pins      (python deploy/pins.py EXTRA… > deploy/constraints.txt)
"""

from __future__ import annotations

import json
import platform
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def pins(extras: list[str]) -> list[str]:
    """What pip would install now: `name==version`, in order of names."""
    wanted = f"{ROOT}[{','.join(extras)}]"
    ask = [
        sys.executable,
        "-m",
        "pip",
        "install",
        "--dry-run",
        "--ignore-installed",
        "--quiet",
        "--report",
        "-",
        wanted,
    ]
    answer = subprocess.run([*ask, "--report", "-", wanted], check=True, stdout=subprocess.PIPE).stdout
    found = {entry["metadata"]["name"].lower(): entry["metadata"]["version"] for entry in json.loads(answer)["install"]}
    return [f"{name}=={version}" for name, version in sorted(found.items()) if name != "resay"]


def main() -> None:
    """Print them."""
    extras = sys.argv[1:] or ["studio"]
    print(f"# Written by `make pins` with Python {platform.python_version()} on {sys.platform}; do not edit.")
    print("\n".join(pins(extras)))


if __name__ == "__main__":
    main()
