"""Weights in another precision: parameters of exported graphs, widened to 32 bits or stored in fewer.

Three ways to be small. Shrunk: fewer bits on disk, widened once at loading; arithmetic is 32-bit and as quick as ever.
Kept small: 8 bits in memory too, widened each time they are used. Halved: arithmetic in 16 bits as well, for GPUs.
"""

from __future__ import annotations

import importlib
import json
import shutil
import tempfile
from pathlib import Path

import numpy as np
import onnx
from google.protobuf.message import DecodeError
from onnx import ModelProto, NodeProto, TensorProto, helper, numpy_helper

from .. import weights
from ..errors import BadFile, BadOption

SMALLEST_SHRUNK = 1024  # elements; scales and biases stay exact


def shrink(model: ModelProto, bits: int) -> ModelProto:
    """Store large 32-bit parameters in 16 or 8 bits; nodes in the graph make them 32-bit again, once, at loading.

    Eight bits are symmetric with a scale for every row: of a linear layer's weight (out, in) one for each output.
    Arithmetic stays 32-bit, so only the parameters are rounded, never what flows through the network.
    """
    nodes: list[NodeProto] = []
    for tensor in list(model.graph.initializer):
        values = numpy_helper.to_array(tensor)
        if tensor.data_type != TensorProto.FLOAT or values.size < SMALLEST_SHRUNK:
            continue
        name = tensor.name
        _rename_inputs(model, name, f"{name}.float")
        if bits == 16 or values.ndim < 2:
            tensor.CopyFrom(numpy_helper.from_array(values.astype(np.float16), name))
            nodes.append(helper.make_node("Cast", [name], [f"{name}.float"], to=TensorProto.FLOAT))
            continue
        scale, whole = _rows(values)
        tensor.CopyFrom(numpy_helper.from_array(whole, name))
        model.graph.initializer.append(numpy_helper.from_array(scale, f"{name}.scale"))
        nodes.append(helper.make_node("Cast", [name], [f"{name}.unscaled"], to=TensorProto.FLOAT))
        nodes.append(helper.make_node("Mul", [f"{name}.unscaled", f"{name}.scale"], [f"{name}.float"]))
    return _with_nodes(model, nodes + list(model.graph.node))


def widen(model: ModelProto) -> ModelProto:
    """Undo `shrink`: every parameter in 32 bits under its own name, no node between it and its use."""
    stored = {tensor.name: tensor for tensor in model.graph.initializer}
    dropped = set()
    for name, tensor in list(stored.items()):
        if not any(f"{name}.float" in node.output for node in model.graph.node):
            continue
        values = numpy_helper.to_array(tensor).astype(np.float32)
        scale = stored.get(f"{name}.scale")
        if scale is not None:
            values = values * numpy_helper.to_array(scale)
            model.graph.initializer.remove(scale)
        tensor.CopyFrom(numpy_helper.from_array(values, name))
        dropped |= {f"{name}.float", f"{name}.unscaled"}
        _rename_inputs(model, f"{name}.float", name)
    return _with_nodes(model, [node for node in model.graph.node if not dropped & set(node.output)])


def keep_small(model: ModelProto) -> ModelProto:
    """Store matrices in 8 bits as `shrink` does, each behind a DequantizeLinear.

    The runtime does not fold that node, so parameters stay small in memory, and it is the form that TensorRT knows.
    """
    nodes: list[NodeProto] = []
    for tensor in list(model.graph.initializer):
        values = numpy_helper.to_array(tensor)
        if tensor.data_type != TensorProto.FLOAT or values.size < SMALLEST_SHRUNK or values.ndim < 2:
            continue
        name = tensor.name
        _rename_inputs(model, name, f"{name}.float")
        scale, whole = _rows(values)
        tensor.CopyFrom(numpy_helper.from_array(whole, name))
        model.graph.initializer.append(numpy_helper.from_array(scale.reshape(-1), f"{name}.scale"))
        nodes.append(helper.make_node("DequantizeLinear", [name, f"{name}.scale"], [f"{name}.float"], axis=0))
    return _with_nodes(model, nodes + list(model.graph.node))


def halve(model: ModelProto) -> ModelProto:
    """Parameters and arithmetic in 16 bits; inputs and outputs stay 32-bit."""
    from ..inference import onnxruntime

    tools = importlib.import_module(f"{onnxruntime.__name__}.transformers.float16")
    halved: ModelProto = tools.convert_float_to_float16(model, keep_io_types=True)
    return halved


PRECISIONS = ("fp32", "fp16", "int8")
TARGETS = ("cpu", "cuda", "tensorrt", "arm")


def convert(model: ModelProto, precision: str, target: str) -> ModelProto:
    """The model with its parameters in this precision, in the form that suits where it will run."""
    model = widen(model)
    if precision == "fp32":
        return model
    if precision == "fp16":
        return halve(model) if target in ("cuda", "tensorrt") else shrink(model, 16)
    return keep_small(model) if target in ("tensorrt", "arm") else shrink(model, 8)


def export(models: Path, out: Path, precision: str, target: str) -> dict[str, int]:
    """A copy of a folder of weights, converted; bytes of every graph, by name. The folder appears whole or not at all.

    Raises BadOption where `out` exists, BadFile where `models` holds no model.
    """
    if out.exists():
        raise BadOption(f"{out} is there already; choose another folder or remove it")
    try:
        shape = json.loads((models / "model.json").read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise BadFile(f"{models}: holds no model") from error
    shape["precision"] = {"parameters": precision, "for": target, "small": target == "arm"}
    sizes = {}
    out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{out.name}.", dir=out.parent) as folder:
        made = Path(folder) / "models"
        shutil.copytree(models, made)
        for path in sorted(models.glob("*.onnx")):
            try:
                model = onnx.load(str(path))
            except DecodeError as error:
                raise BadFile(f"{path}: damaged weights; reinstall resay") from error
            onnx.save(convert(model, precision, target), str(made / path.name))
            sizes[path.stem] = (made / path.name).stat().st_size
        text = json.dumps(weights.with_digests(shape, made), ensure_ascii=False, indent=1) + "\n"
        (made / "model.json").write_text(text, encoding="utf-8")
        made.rename(out)
    return sizes


def _rows(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Scale of every row, float32 with the other axes 1, and the rows in 8 bits."""
    scale = np.abs(values).max(axis=tuple(range(1, values.ndim)), keepdims=True) / 127.0 + 1e-12
    return scale.astype(np.float32), np.rint(values / scale).astype(np.int8)


def _rename_inputs(model: ModelProto, old: str, new: str) -> None:
    for node in model.graph.node:
        for position, entry in enumerate(node.input):
            if entry == old:
                node.input[position] = new


def _with_nodes(model: ModelProto, nodes: list[NodeProto]) -> ModelProto:
    del model.graph.node[:]
    model.graph.node.extend(nodes)
    onnx.checker.check_model(model)
    return model
