"""What an installed resay carries: attributions, data, weights."""

from __future__ import annotations

import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
TEXT_DATA = ROOT / "src" / "resay" / "text" / "data"


def test_every_dictionary_is_attributed_twice() -> None:
    """Beside the data, for who reads the source, and in NOTICE, which wheels carry."""
    notice, beside = ((path).read_text(encoding="utf-8") for path in (ROOT / "NOTICE", TEXT_DATA / "NOTICE.md"))
    for path in TEXT_DATA.iterdir():
        assert path.name == "NOTICE.md" or (path.name in notice and path.name in beside), path.name
    for owner in ("Carnegie Mellon", "mozillazg", "WeTextProcessing", "g2pM", "Wikipedia Homograph Data"):
        assert owner in notice
        assert owner.lower() in beside.lower()


@pytest.mark.slow
def test_wheel_has_data_weights_and_notice(tmp_path: Path) -> None:
    source = tmp_path / "source"
    shutil.copytree(ROOT, source, ignore=shutil.ignore_patterns(".*", "outputs", "runs", "judges", "dist", "build"))
    command = [sys.executable, "-m", "pip", "wheel", "--no-deps", "--quiet", "-w", str(tmp_path), str(source)]
    subprocess.run(command, check=True)
    with zipfile.ZipFile(next(tmp_path.glob("*.whl"))) as wheel:
        names = wheel.namelist()
        notice = next(name for name in names if name.endswith("licenses/NOTICE"))
        assert wheel.read(notice) == (ROOT / "NOTICE").read_bytes()
    for folder in ("text/data", "models", "models/voices"):
        for path in (ROOT / "src" / "resay" / folder).iterdir():
            assert path.is_dir() or path.name.startswith(".") or f"resay/{folder}/{path.name}" in names, path.name
    assert not [name for name in names if name.startswith(("tests", "docs", "runs"))]
