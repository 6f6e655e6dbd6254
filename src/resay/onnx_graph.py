"""One exported network: loaded once, checked, run with numpy arrays, shared by any number of threads."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnxruntime

from .errors import BadOption, BrokenModel

PROVIDERS = {
    "cpu": ["CPUExecutionProvider"],
    "cuda": ["CUDAExecutionProvider", "CPUExecutionProvider"],
    "tensorrt": ["TensorrtExecutionProvider", "CUDAExecutionProvider", "CPUExecutionProvider"],
}


class OnnxGraph:
    """An ONNX file with its digest. `run` takes and returns arrays by name."""

    def __init__(self, path: Path, threads: int = 2, provider: str = "cpu", small: bool = False) -> None:
        """`small` saves memory at some cost of speed: no arena that keeps what was once used, no packed copies.

        Raises BadOption where the provider cannot run here, BrokenModel where the file is damaged.
        """
        if provider not in PROVIDERS:
            raise BadOption(f"unknown provider {provider!r}; choose one of {', '.join(PROVIDERS)}")
        wanted = PROVIDERS[provider]
        if wanted[0] not in onnxruntime.get_available_providers():
            raise BadOption(f"this onnxruntime has no {wanted[0]}; install onnxruntime-gpu or use --provider cpu")
        try:
            content = path.read_bytes()
        except OSError as error:
            raise BrokenModel(f"{path}: weights cannot be read ({error.strerror})") from error
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        options.log_severity_level = 3
        # Busy-waiting threads would take the processor from other requests between two short graphs.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        if small:
            options.enable_cpu_mem_arena = False
            options.add_session_config_entry("session.disable_prepacking", "1")
        try:
            self._session = onnxruntime.InferenceSession(content, options, providers=wanted)
        except Exception as error:  # onnxruntime raises a family of its own, unrelated classes
            raise BrokenModel(f"{path}: damaged weights; reinstall resay or export the model again") from error
        self.digest = "sha256:" + hashlib.sha256(content).hexdigest()
        self.inputs = [entry.name for entry in self._session.get_inputs()]
        self.shapes = {entry.name: tuple(entry.shape) for entry in self._session.get_inputs()}
        self.note: dict[str, str] = self._session.get_modelmeta().custom_metadata_map
        """What the file says about itself."""
        self.outputs = [entry.name for entry in self._session.get_outputs()]
        self.metadata: dict[str, str] = dict(self._session.get_modelmeta().custom_metadata_map)

    def run(self, outputs: Sequence[str] | None = None, /, **inputs: np.ndarray) -> dict[str, np.ndarray]:
        """Arrays of the named outputs (all by default)."""
        names = list(outputs) if outputs else self.outputs
        return dict(zip(names, self._session.run(names, inputs), strict=True))
