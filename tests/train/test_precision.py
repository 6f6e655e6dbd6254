"""Weights in another precision: the same sound within what rounding allows, smaller files, nothing half-written."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

onnx = pytest.importorskip("onnx")

from onnx import TensorProto, helper, numpy_helper  # noqa: E402

from resay import audio  # noqa: E402
from resay.cli import main  # noqa: E402
from resay.errors import BadFile, BadOption  # noqa: E402
from resay.onnx_graph import OnnxGraph  # noqa: E402
from resay.synthesis import SHIPPED, Engine, Request  # noqa: E402
from resay.train import precision  # noqa: E402
from resay.voices import VoiceLibrary  # noqa: E402

WEIGHT = np.random.default_rng(0).standard_normal((96, 64)).astype(np.float32)
BIAS = np.random.default_rng(1).standard_normal(96).astype(np.float32)


def linear() -> onnx.ModelProto:
    """x (1, T, 64) -> x W^T + b, as exported linear layers are."""
    nodes = [
        helper.make_node("Transpose", ["weight"], ["turned"], perm=[1, 0]),
        helper.make_node("MatMul", ["x", "turned"], ["product"]),
        helper.make_node("Add", ["product", "bias"], ["y"]),
    ]
    graph = helper.make_graph(
        nodes,
        "linear",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, "time", 64])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, "time", 96])],
        [numpy_helper.from_array(WEIGHT, "weight"), numpy_helper.from_array(BIAS, "bias")],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8)


@pytest.fixture
def models(tmp_path: Path) -> Path:
    folder = tmp_path / "models"
    folder.mkdir()
    onnx.save(precision.shrink(linear(), 8), str(folder / "linear.onnx"))
    (folder / "model.json").write_text(json.dumps({"phoneme_table": 1}), encoding="utf-8")
    return folder


@pytest.mark.parametrize("bits", [8, 16])
def test_widening_undoes_shrinking(bits: int) -> None:
    wide = precision.widen(precision.shrink(linear(), bits))
    assert [node.op_type for node in wide.graph.node] == ["Transpose", "MatMul", "Add"]
    stored = {tensor.name: numpy_helper.to_array(tensor) for tensor in wide.graph.initializer}
    assert set(stored) == {"weight", "bias"}
    np.testing.assert_allclose(stored["weight"], WEIGHT, atol=0.02 if bits == 8 else 2e-3)
    np.testing.assert_array_equal(stored["bias"], BIAS)


def test_shrinking_twice_changes_nothing_more() -> None:
    once = precision.widen(precision.shrink(linear(), 8))
    twice = precision.widen(precision.shrink(precision.widen(precision.shrink(linear(), 8)), 8))
    assert once.SerializeToString() == twice.SerializeToString()


@pytest.mark.parametrize("target", precision.TARGETS)
@pytest.mark.parametrize("kind", precision.PRECISIONS)
def test_every_precision_says_the_same(models: Path, tmp_path: Path, kind: str, target: str) -> None:
    sizes = precision.export(models, tmp_path / "out", kind, target)
    x = np.random.default_rng(2).standard_normal((1, 7, 64)).astype(np.float32)
    said = OnnxGraph(tmp_path / "out" / "linear.onnx", small=target == "arm").run(x=x)["y"]
    np.testing.assert_allclose(said, x @ WEIGHT.T + BIAS, atol=0.25)
    assert sizes["linear"] == (tmp_path / "out" / "linear.onnx").stat().st_size
    notes = json.loads((tmp_path / "out" / "model.json").read_text())
    assert notes["precision"] == {"parameters": kind, "for": target, "small": target == "arm"}


def test_eight_bits_are_less_than_two_fifths(models: Path, tmp_path: Path) -> None:
    sizes = {kind: precision.export(models, tmp_path / kind, kind, "cpu")["linear"] for kind in precision.PRECISIONS}
    assert sizes["int8"] < 0.4 * sizes["fp32"] < sizes["fp32"]
    assert sizes["int8"] < sizes["fp16"] < 0.6 * sizes["fp32"]


def test_nothing_is_overwritten_and_nothing_half_written(models: Path, tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()
    with pytest.raises(BadOption, match="there already"):
        precision.export(models, tmp_path / "there", "int8", "cpu")
    (models / "linear.onnx").write_bytes(b"broken")
    with pytest.raises(BadFile, match="damaged"):
        precision.export(models, tmp_path / "out", "int8", "cpu")
    with pytest.raises(BadFile, match="holds no model"):
        precision.export(tmp_path, tmp_path / "out", "int8", "cpu")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["models", "there"]


def test_the_command_reports(models: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "out"
    assert main(["export", str(out), "--precision", "fp16", "--models", str(models), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["bytes"] == (out / "linear.onnx").stat().st_size
    assert main(["export", str(out), "--models", str(models)]) == 2
    assert capsys.readouterr().err.count("\n") == 1


@pytest.mark.parametrize(("kind", "target"), [("fp16", "cuda"), ("int8", "tensorrt"), ("int8", "arm")])
def test_what_ships_speaks_in_precisions_for_other_machines_too(tmp_path: Path, kind: str, target: str) -> None:
    """In a process of its own: onnxruntime has come down with its whole process on graphs that compute in 16 bits."""
    precision.export(SHIPPED, tmp_path / "out", kind, target)
    plain = Engine(SHIPPED, threads=1).say(Request("Say it again."), VoiceLibrary().get("ada")).audio
    words = ["speak", "Say it again.", "--voice", "ada", "--models", str(tmp_path / "out"), "--threads", "1"]
    command = [sys.executable, "-m", "resay", *words, "-o", str(tmp_path / "out.wav")]
    subprocess.run(command, check=True, capture_output=True, timeout=120)
    said = audio.read(tmp_path / "out.wav")
    assert abs(said.seconds - plain.seconds) < 0.2 * plain.seconds
    assert np.abs(said.samples).max() > 0.05
