"""Arrays out of a torch checkpoint file, without torch and without running what a pickle may hold."""

from __future__ import annotations

import collections
import pickle
import zipfile
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import BrokenModel

_TYPES = {"FloatStorage": np.dtype("<f4"), "HalfStorage": np.dtype("<f2"), "LongStorage": np.dtype("<i8")}


def _rebuild(
    storage: np.ndarray, offset: int, shape: tuple[int, ...], strides: tuple[int, ...], *_: object
) -> np.ndarray:
    """A tensor as torch stores it: a stretch of flat storage with a shape and strides counted in elements."""
    steps = [stride * storage.itemsize for stride in strides]
    return np.lib.stride_tricks.as_strided(storage[offset:], shape, steps).copy()


class _Reader(pickle.Unpickler):
    """Knows the three names that a file of tensors needs, and refuses every other."""

    def __init__(self, archive: zipfile.ZipFile, root: str) -> None:
        super().__init__(archive.open(f"{root}/data.pkl"))
        self._archive, self._root = archive, root

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) == ("torch._utils", "_rebuild_tensor_v2"):
            return _rebuild
        if (module, name) == ("collections", "OrderedDict"):
            return collections.OrderedDict
        if module == "torch" and name in _TYPES:
            return _TYPES[name]
        raise pickle.UnpicklingError(f"{module}.{name} is no part of a file of tensors")

    def persistent_load(self, reference: tuple[str, np.dtype[Any], str, str, int]) -> np.ndarray:
        _, kind, key, _, count = reference
        return np.frombuffer(self._archive.read(f"{self._root}/data/{key}"), kind, count)


def read(path: Path) -> dict[str, np.ndarray]:
    """Every tensor of a state dictionary saved by `torch.save`, by name. Raises BrokenModel for anything else."""
    try:
        with zipfile.ZipFile(path) as archive:
            root = archive.namelist()[0].split("/")[0]
            tensors = _Reader(archive, root).load()
    except (OSError, zipfile.BadZipFile, KeyError, IndexError, ValueError, pickle.UnpicklingError) as error:
        raise BrokenModel(f"{path}: not a checkpoint of tensors ({error})") from error
    return {str(name): array for name, array in tensors.items()}
