"""One exported network: loaded once, checked, run with numpy arrays, shared by any number of threads."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import platformdirs

from .errors import BadOption, BrokenModel
from .inference import onnxruntime

PROVIDERS = {
    "cpu": ["CPUExecutionProvider"],
    "cuda": ["CUDAExecutionProvider", "CPUExecutionProvider"],
    "tensorrt": ["TensorrtExecutionProvider", "CUDAExecutionProvider", "CPUExecutionProvider"],
}
"""What networks may run on, by the name that people use: onnxruntime takes the next for what one cannot do."""


def missing(provider: str) -> str:
    """Why networks cannot run on a provider here; empty where they can. Raises BadOption for an unknown one."""
    if provider not in PROVIDERS:
        raise BadOption(f"unknown provider {provider!r}; choose one of {', '.join(PROVIDERS)}")
    wanted = PROVIDERS[provider][0]
    if wanted in onnxruntime.get_available_providers():
        return ""
    return f"this onnxruntime has no {wanted}; install onnxruntime-gpu in place of onnxruntime"


def default_engine_cache() -> Path:
    """Where TensorRT's engines are kept: building one takes minutes, and fits this graphics card only."""
    return platformdirs.user_cache_path("resay", appauthor=False) / "tensorrt"


def _settings(provider: str, engine_cache: Path | None) -> list[dict[str, str]]:
    """Options of each of a provider's fallbacks."""
    cache = str(engine_cache or default_engine_cache())
    kept = {"trt_engine_cache_enable": "1", "trt_engine_cache_path": cache, "trt_timing_cache_enable": "1"}
    return [kept if name.startswith("Tensorrt") else {} for name in PROVIDERS[provider]]


def _options(threads: int, small: bool, halved: bool) -> Any:
    """Of a session; the arguments are those of `OnnxGraph`."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    # Busy-waiting threads would take the processor from other requests between two short graphs.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.enable_cpu_mem_arena = not small
    if halved:
        # The last pass of the optimiser brings the whole process down on such graphs where there is no GPU.
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_EXTENDED
    if small:
        options.add_session_config_entry("session.disable_prepacking", "1")
    return options


class OnnxGraph:
    """An ONNX file with its digest. `run` takes and returns arrays by name."""

    def __init__(
        self,
        path: Path,
        threads: int = 2,
        provider: str = "cpu",
        engine_cache: Path | None = None,
        small: bool = False,
        halved: bool = False,
        later: bool = False,
    ) -> None:
        """Load it.

        Args:
            path: the file.
            threads: of one run.
            provider: what it runs on, one of PROVIDERS.
            engine_cache: where TensorRT keeps what it has built.
            small: save memory at some cost of speed: no arena that keeps what a run needed for later runs, and no
                packed copies of the weights.
            halved: the graph computes in 16 bits.
            later: prepare it when it is first wanted; not everything that is installed is used by every command.

        Raises:
            BadOption: this onnxruntime cannot run on the provider.
            BrokenModel: the file is missing or damaged; with `later` damage may show at the first use.
        """
        if reason := missing(provider):
            raise BadOption(f"{reason}, or use --provider cpu")
        try:
            content = path.read_bytes()
        except OSError as error:
            raise BrokenModel(f"{path}: weights cannot be read ({error.strerror})") from error
        self._path, self._content = path, content
        self._options, self._provider = _options(threads, small, halved), provider
        self._settings = _settings(provider, engine_cache)
        self._opening = threading.Lock()
        self._opened: Any = None
        # Runs side by side take what both need at once, in an order that never comes again, and the arena grows for an
        # hour. Runs that have all processors for themselves lose little by taking turns.
        self._turn: AbstractContextManager[Any] = threading.Lock() if threads > 1 else nullcontext()
        self._shrinks = False
        self.digest = "sha256:" + hashlib.sha256(content).hexdigest()
        if not later:
            self._open()

    def _open(self) -> Any:
        """The session, prepared by whoever wants it first. Raises BrokenModel."""
        with self._opening:
            if self._opened is None:
                try:
                    self._opened = onnxruntime.InferenceSession(
                        self._content,
                        self._options,
                        providers=PROVIDERS[self._provider],
                        provider_options=self._settings,
                    )
                except Exception as error:  # onnxruntime raises a family of its own, unrelated classes
                    hint = "reinstall resay or export the model again"
                    raise BrokenModel(f"{self._path}: damaged weights; {hint}") from error
                self._content = b""
        return self._opened

    @cached_property
    def runs_on(self) -> str:
        """onnxruntime's name of the provider; not the one asked for where its libraries could not be loaded."""
        return str(self._open().get_providers()[0])

    @cached_property
    def inputs(self) -> list[str]:
        """Names."""
        return list(self.shapes)

    @cached_property
    def shapes(self) -> dict[str, tuple[int | str, ...]]:
        """Of the inputs; what is open has a name."""
        return {entry.name: tuple(entry.shape) for entry in self._open().get_inputs()}

    @cached_property
    def note(self) -> dict[str, str]:
        """What the file says about itself."""
        return dict(self._open().get_modelmeta().custom_metadata_map)

    @cached_property
    def outputs(self) -> list[str]:
        """Names."""
        return [entry.name for entry in self._open().get_outputs()]

    def run(self, outputs: Sequence[str] | None = None, /, **inputs: np.ndarray) -> dict[str, np.ndarray]:
        """Arrays of the named outputs (all by default)."""
        names = list(outputs) if outputs else self.outputs
        session, options = self._open(), None
        if self._shrinks:
            self._shrinks, options = False, onnxruntime.RunOptions()
            options.add_run_config_entry("memory.enable_memory_arena_shrinkage", self._keeps())
        with self._turn:
            found = session.run(names, inputs, options)
        return dict(zip(names, found, strict=True))

    def _keeps(self) -> str:
        """Devices whose arenas keep what a run needed, for the next one."""
        kept = {"cpu:0": self._options.enable_cpu_mem_arena, "gpu:0": not self.runs_on.startswith("CPU")}
        return ";".join(device for device, keeps in kept.items() if keeps)

    def shrink(self) -> None:
        """Give back, at the end of the next run, the memory that is kept for later runs."""
        self._shrinks = self._opened is not None and bool(self._keeps())
