"""Read the weights of released models, safetensors or PyTorch's files, into NumPy arrays."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
from numpy.typing import NDArray

from nqjax.errors import InputError

Tensors = dict[str, NDArray[Any]]

_DTYPES: dict[str, Any] = {
    "F64": np.float64,
    "F32": np.float32,
    "F16": np.float16,
    "BF16": ml_dtypes.bfloat16,
    "I64": np.int64,
    "I32": np.int32,
    "I16": np.int16,
    "I8": np.int8,
    "U8": np.uint8,
    "BOOL": np.bool_,
}


def read_weights(folder: Path) -> Tensors:
    """Return the tensors of a released model by their names.

    Parameters
    ----------
    folder : Path
        The folder with model.safetensors, or with pytorch_model.bin, for which PyTorch must be installed.

    Raises
    ------
    InputError
        If the folder has neither, the file cannot be read, or the weights are in several files.
    """
    whole, pickled = folder / "model.safetensors", folder / "pytorch_model.bin"
    if whole.is_file():
        return read_safetensors(whole)
    if pickled.is_file():
        return _read_pytorch(pickled)
    if (folder / f"{whole.name}.index.json").is_file() or (folder / f"{pickled.name}.index.json").is_file():
        raise InputError(f"the weights in {folder} are in several files: save them as one model.safetensors")
    raise InputError(f"{folder} has no weights: put the model's model.safetensors or pytorch_model.bin there")


def read_safetensors(path: Path) -> Tensors:
    """Return the tensors of a safetensors file, which has the header's length, the header in JSON, and the numbers."""
    try:
        raw = np.memmap(path, np.uint8, "r")
        length = int.from_bytes(raw[:8].tobytes(), "little")
        header = json.loads(raw[8 : 8 + length].tobytes())
        body = raw[8 + length :]
        return {name: _tensor(entry, body) for name, entry in header.items() if name != "__metadata__"}
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(f"{path} is not a whole safetensors file ({error}): copy it again") from error


def _tensor(entry: dict[str, Any], body: NDArray[np.uint8]) -> NDArray[Any]:
    (start, stop), shape, dtype = entry["data_offsets"], tuple(entry["shape"]), np.dtype(_DTYPES[entry["dtype"]])
    if not 0 <= start <= stop <= len(body) or stop - start != math.prod(shape) * dtype.itemsize:
        raise ValueError("it ends too early")
    # The bytes are copied because the numbers need not be aligned.
    return np.frombuffer(body[start:stop].tobytes(), dtype).reshape(shape)


def _read_pytorch(path: Path) -> Tensors:
    try:
        import torch
    except ImportError as error:
        raise InputError(f"reading {path} needs PyTorch: pip install torch, or save it as safetensors") from error
    try:
        tensors = torch.load(path, map_location="cpu", weights_only=True)
        return {name: tensor.float().numpy() for name, tensor in tensors.items()}
    except Exception as error:  # pickle, zip and PyTorch raise many kinds
        raise InputError(f"{path} is not a file of weights ({error}): copy it again") from error
