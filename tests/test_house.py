"""The rules of the house, kept by a machine."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import resay

ROOT = Path(__file__).resolve().parent.parent
SOURCE = ROOT / "src" / "resay"
FILES = sorted(SOURCE.rglob("*.py"))

LAYERS = (
    "errors inference ogg audio pitch signing consent text identity weights onnx_graph aligner adapter shared_adapter "
    "semantic prompt quality reference prosody planning own_sounds postfilter acoustic transcript vocoder upper_band "
    "voices catalogue vault synthesis blurring embedding manifest outputs subtitles pictures alignment takes measure "
    "compare gate replay archive seeds forgetting audition batch cluster jobs server studio train federated evaluate "
    "tuning cli"
).split()
"""Every module of the package in its one order: each imports only what stands before it."""
LOADED_BY_NAME = {"cli": {"train", "federated", "evaluate", "tuning"}}
LONGEST_FUNCTION, LONGEST_FILE = 60, 400  # lines
HEAVY = {"torch", "onnx", "numba", "matplotlib", "gradio", "fastapi", "flwr", "ray"}


def module_of(path: Path) -> str:
    return path.relative_to(SOURCE).parts[0].removesuffix(".py")


def imported_modules(path: Path) -> set[str]:
    """Modules of resay that a file imports, wherever in the file, without its own."""
    depth = len(path.relative_to(SOURCE).parts)
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.level == depth:
            found |= {node.module.split(".")[0]} if node.module else {name.name for name in node.names}
        elif isinstance(node, ast.ImportFrom) and not node.level and (node.module or "").split(".")[0] == "resay":
            found |= {(node.module or "").partition(".")[2].split(".")[0]} - {""}
    return found - {module_of(path), "__version__"}


def test_every_module_has_its_place():
    present = {module_of(path) for path in FILES} - {"__init__", "__main__"}
    assert present <= set(LAYERS)


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(SOURCE)))
def test_imports_point_one_way(path):
    module = module_of(path)
    if module in ("__init__", "__main__"):
        return
    assert imported_modules(path) <= set(LAYERS[: LAYERS.index(module)])


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(SOURCE)))
def test_only_training_imports_torch(path):
    tree = ast.parse(path.read_text(encoding="utf-8"))
    names = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    names |= {node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and not node.level}
    if module_of(path) not in ("train", "federated", "evaluate", "server", "studio", "cluster", "tuning"):
        assert not {name.split(".")[0] for name in names} & HEAVY


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(SOURCE)))
def test_onnxruntime_comes_from_one_place(path):
    """Imported any other way it reports what is run here to its makers."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    names = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    names |= {node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and not node.level}
    assert module_of(path) == "inference" or not {name.split(".")[0] for name in names} & {"onnxruntime", "swift_f0"}


def test_running_networks_leaves_nothing_in_the_home_folder(tmp_path):
    """onnxruntime, left to itself, keeps an identifier of the user there and a list of what it is going to report."""
    probe = (
        "import os; before = dict(os.environ)\n"
        "from resay.onnx_graph import OnnxGraph\nfrom resay.synthesis import SHIPPED\n"
        "OnnxGraph(SHIPPED / 'vocoder.onnx')\nassert dict(os.environ) == before\n"
    )
    places = {name: str(tmp_path) for name in ("HOME", "TMPDIR", "XDG_CACHE_HOME", "XDG_DATA_HOME")}
    # Where tests run by themselves it keeps quiet anyway.
    quiet = {"CI", "GITHUB_ACTIONS", "TF_BUILD", "ORT_DISABLE_TELEMETRY", "ORT_RUNNING_UNIT_TESTS"}
    environment = {name: value for name, value in os.environ.items() if name not in quiet} | places
    subprocess.run([sys.executable, "-c", probe], check=True, env=environment)
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_runtime_loads_no_torch():
    run = "import sys, resay.cli; resay.Engine, resay.Manifest, resay.read; "
    subprocess.run([sys.executable, "-c", run + f"assert not {HEAVY!r} & set(sys.modules)"], check=True)


def test_importing_resay_does_nothing():
    probe = (
        "import logging, os, sys, threading\n"
        "def world(): return dict(os.environ), list(logging.root.handlers), os.getcwd(), threading.active_count()\n"
        "before = world()\n"
        "import resay\n"
        "assert world() == before\n"
        "assert 'numpy' not in sys.modules and 'onnxruntime' not in sys.modules\n"
        "import resay.cli\n"
        "assert world() == before\n"
    )
    subprocess.run([sys.executable, "-c", probe], check=True)


def test_public_names_are_deliberate():
    assert resay.__all__ == sorted(resay.__all__)
    homes = [name for names in resay._HOMES.values() for name in names]
    assert sorted(homes) == resay.__all__
    tree = ast.parse((SOURCE / "__init__.py").read_text(encoding="utf-8"))
    typed = [
        alias.name
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and node.level == 1
        for alias in node.names
    ]
    assert sorted(typed) == resay.__all__


@pytest.mark.parametrize("name", resay.__all__)
def test_every_public_name_is_there(name):
    assert getattr(resay, name) is not None


def test_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'Nothing'"):
        resay.Nothing  # noqa: B018


def test_functions_stay_small():
    long = [
        f"{path.relative_to(SOURCE)}: {node.name} has {node.end_lineno - node.lineno + 1} lines"
        for path in FILES
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and node.end_lineno - node.lineno + 1 > LONGEST_FUNCTION
    ]
    assert long == []


def test_files_stay_small():
    lengths = {str(path.relative_to(SOURCE)): len(path.read_text(encoding="utf-8").splitlines()) for path in FILES}
    assert {name: length for name, length in lengths.items() if length > LONGEST_FILE} == {}


def test_no_file_knows_the_place_it_was_written_in():
    # Joined here, so that this file does not hold what it looks for.
    foreign = re.compile("|".join([r"\.\./" + "shared", "/" + r"work/\w", "/" + r"root/\w", "/" + r"home/\w"]))
    plain = [
        *FILES,
        *ROOT.glob("*.*"),
        ROOT / "Makefile",
        *(ROOT / "tests").rglob("*.py"),
        *(ROOT / "docs").glob("*.md"),
    ]
    plain += [*(ROOT / "examples").glob("*.py"), ROOT / ".ci" / "run", *(ROOT / "runs").glob("*.sh")]
    hits = [
        f"{path.relative_to(ROOT)}:{number}"
        for path in plain
        if path.is_file() and path.suffix in ("", ".py", ".md", ".toml", ".sh", ".json")
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1)
        if foreign.search(line)
    ]
    assert hits == []


def test_readme_says_the_two_commands_and_they_exist():
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    targets = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), flags=re.MULTILINE)
    for command in ("demo", "test", "setup"):
        assert f"make {command}" in readme
        assert command in targets


def test_licence_and_notice_travel_with_the_package():
    project = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    assert 'license-files = ["LICENSE", "NOTICE"]' in project
    notice = (ROOT / "NOTICE").read_text(encoding="utf-8")
    for source in ("Common Voice", "LibriSpeech", "speechocean762", "audio-cmn", "Kokoro-82M", "LJ Speech"):
        assert source in notice


def test_importing_resay_is_quick():
    probe = "import time; begun = time.process_time(); import resay; print(time.process_time() - begun)"
    runs = [subprocess.run([sys.executable, "-c", probe], capture_output=True, check=True) for _ in range(3)]
    assert (
        min(float(run.stdout) for run in runs) <= 0.06
    )  # seconds of the processor, so that a busy machine is no failure
