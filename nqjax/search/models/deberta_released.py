"""Read released weights of DeBERTaV3 from a local folder, in which they have the names of `transformers`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from nqjax.errors import InputError
from nqjax.search.models.deberta import Encoder
from nqjax.search.models.weights import Tensors, read_weights

Params = dict[str, Any]

#: Values that `Encoder` supports of each option in config.json, the default at the front.
_OPTIONS: dict[str, tuple[Any, ...]] = {
    "relative_attention": (True,),
    "share_att_key": (True,),
    "position_biased_input": (False,),
    "hidden_act": ("gelu",),
    "norm_rel_ebd": ("layer_norm",),
    "type_vocab_size": (0,),
    "conv_kernel_size": (0,),
}

#: Options that config.json must have, because without them it describes another architecture.
_NEEDED = ("relative_attention", "share_att_key", "position_biased_input", "norm_rel_ebd")


def read_config(folder: Path | str) -> dict[str, Any]:
    """Return the arguments of `Encoder` that a released model's config.json asks for.

    Raises
    ------
    InputError
        If the file is missing or broken, or has options that `Encoder` does not support.
    """
    path = Path(folder) / "config.json"
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"cannot read {path} ({error.strerror}): give the folder of a released model") from error
    except ValueError as error:
        raise InputError(f"{path} is not JSON ({error}): copy it again") from error
    for name, values in _OPTIONS.items():
        value = config.get(name, None if name in _NEEDED else values[0])
        if value not in values:
            raise InputError(f"{path} has {name} = {value!r}, not {values[0]!r}: give a DeBERTaV3 model")
    types = config.get("pos_att_type") or []
    if set(types.lower().split("|") if isinstance(types, str) else types) != {"c2p", "p2c"}:
        raise InputError(f"{path} has pos_att_type = {types!r}, not 'p2c|c2p': give a DeBERTaV3 model")
    names = {
        "vocab_size": "vocab_size",
        "width": "hidden_size",
        "depth": "num_hidden_layers",
        "heads": "num_attention_heads",
        "hidden": "intermediate_size",
    }
    missing = [name for name in names.values() if name not in config]
    if missing:
        raise InputError(f"{path} lacks {', '.join(missing)}: give a DeBERTaV3 model")
    farthest = config.get("max_relative_positions", -1)
    return {
        **{ours: int(config[theirs]) for ours, theirs in names.items()},
        "buckets": max(int(config.get("position_buckets", -1)), 0),
        "farthest": int(farthest if farthest > 0 else config.get("max_position_embeddings", 512)),
        "epsilon": float(config.get("layer_norm_eps", 1e-7)),
    }


def load_encoder(folder: Path | str, **options: Any) -> tuple[Encoder, Params]:
    """Return a released model's encoder and its parameters.

    Parameters
    ----------
    folder : Path or str
        The folder of config.json and the weights (model.safetensors or pytorch_model.bin).
    **options
        Further arguments of `Encoder`, such as ``dtype``.

    Returns
    -------
    encoder : Encoder
    params : dict
        The encoder's parameters, float32.

    Raises
    ------
    InputError
        If files or tensors are missing, a tensor has another shape, or the model has another architecture.
    """
    encoder = Encoder(**read_config(folder), **options)
    return encoder, convert_encoder(read_weights(Path(folder)), encoder, str(folder))


def convert_encoder(tensors: Tensors, encoder: Encoder, source: str = "the model") -> Params:
    """Return the encoder's parameters from tensors with the names of `transformers`, with or without "deberta."."""
    prefix = "deberta." if any(name.startswith("deberta.") for name in tensors) else ""
    width, span = encoder.width, encoder.buckets or encoder.farthest

    def take(name: str, *shape: int) -> Any:
        tensor = tensors.get(prefix + name)
        if tensor is None:
            raise InputError(f"the weights of {source} lack {prefix + name}: give a DeBERTaV3 model")
        if tensor.shape != shape:
            raise InputError(f"{prefix + name} of {source} has the shape {tensor.shape}, its config.json says {shape}")
        return np.asarray(tensor, np.float32)

    def dense(name: str, inputs: int, outputs: int) -> Params:
        # In PyTorch the outputs are the first axis.
        kernel = np.ascontiguousarray(take(f"{name}.weight", outputs, inputs).T)
        return {"kernel": kernel, "bias": take(f"{name}.bias", outputs)}

    def norm(name: str) -> Params:
        return {"scale": take(f"{name}.weight", width), "bias": take(f"{name}.bias", width)}

    def layer(number: int) -> Params:
        at = f"encoder.layer.{number}"
        parts = ("query", "key", "value")
        return {
            "attention": {part: dense(f"{at}.attention.self.{part}_proj", width, width) for part in parts},
            "attention_out": dense(f"{at}.attention.output.dense", width, width),
            "attention_norm": norm(f"{at}.attention.output.LayerNorm"),
            "up": dense(f"{at}.intermediate.dense", width, encoder.hidden),
            "down": dense(f"{at}.output.dense", encoder.hidden, width),
            "norm": norm(f"{at}.output.LayerNorm"),
        }

    return {
        "embed": {"embedding": take("embeddings.word_embeddings.weight", encoder.vocab_size, width)},
        "embed_norm": norm("embeddings.LayerNorm"),
        "positions": {"embedding": take("encoder.rel_embeddings.weight", 2 * span, width)},
        "position_norm": norm("encoder.LayerNorm"),
        **{f"layers_{number}": layer(number) for number in range(encoder.depth)},
    }
