"""The reference searches, by name; each is a file here, imported when it is asked for."""

from __future__ import annotations

import difflib
import inspect
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any

from nqjax.errors import InputError, missing_extra

if TYPE_CHECKING:
    from nqjax.search.task import Task


@dataclass(frozen=True)
class Entry:
    """What is known of a reference search without importing it.

    Attributes
    ----------
    module, attribute : str
        Where its class is.
    summary, paper : str
        What it trains, and where the search comes from.
    hyperparameters : str
        The searched ones.
    time_here, time_gpu : str
        What to expect of its usual number of trials on two CPU cores, and on one GPU; "not measured" where it was not.
    options : Mapping
        Arguments of the class that make this entry what it is.
    data : str
        What the folder of its data holds, where it needs one.
    """

    module: str
    attribute: str
    summary: str
    paper: str
    hyperparameters: str
    time_here: str
    time_gpu: str
    options: Mapping[str, Any]
    data: str = ""


_HERE = "nqjax.search.tasks"


_IMAGES = "train/<class>/*.jpg and val/<class>/*.jpg"


#: Hyperparameters of the image searches.
_SGD = "epochs, batch_size, lr, lr_peak_proportion, momentum, weight_decay, label_smoothing"


_ADAMW = "epochs, batch_size, lr, warmup_proportion, beta1, beta2, weight_decay, label_smoothing, stochastic_depth"


REGISTRY: dict[str, Entry] = {
    "digits-mlp": Entry(
        f"{_HERE}.digits_mlp",
        "DigitsMLP",
        "a small multilayer perceptron on scikit-learn's handwritten digits",
        "this package's own demonstration",
        "learning_rate, momentum, weight_decay, dropout, init_scale",
        "35 s for 1,024 trials",
        "not measured",
        {},
    ),
    "resnet18": Entry(
        f"{_HERE}.resnet",
        "ResNet18",
        "ResNet18, with or without blur pooling, on folders of images",
        "Lourie, He, Cho 2025 (arXiv 2510.02721)",
        f"{_SGD}, use_blurpool",
        "not measured",
        "not measured",
        {},
        _IMAGES,
    ),
    "resnet-digits": Entry(
        f"{_HERE}.resnet",
        "ResNetDigits",
        "a narrow residual network, with or without blur pooling, on handwritten digits",
        "Lourie, He, Cho 2025 (arXiv 2510.02721), scaled down",
        f"{_SGD}, use_blurpool",
        "6 min for 256 trials",
        "not measured",
        {},
    ),
    "alexnet": Entry(
        f"{_HERE}.alexnet",
        "AlexNetImageNet",
        "AlexNet on folders of images",
        "Lourie, He, Cho 2025 (arXiv 2510.02721)",
        _SGD,
        "not measured",
        "not measured",
        {},
        _IMAGES,
    ),
    "alexnet-digits": Entry(
        f"{_HERE}.alexnet",
        "AlexNetDigits",
        "a small AlexNet on handwritten digits",
        "Lourie, He, Cho 2025 (arXiv 2510.02721), scaled down",
        f"{_SGD}, dropout",
        "about 3 min for 256 trials",
        "not measured",
        {},
    ),
    "convnext-tiny": Entry(
        f"{_HERE}.convnext",
        "ConvNeXtTiny",
        "ConvNeXt-T on folders of images",
        "Lourie, He, Cho 2025 (arXiv 2510.02721)",
        _SGD,
        "not measured",
        "not measured",
        {},
        _IMAGES,
    ),
    "convnext-digits": Entry(
        f"{_HERE}.convnext",
        "ConvNeXtDigits",
        "a small ConvNeXt on handwritten digits",
        "Lourie, He, Cho 2025 (arXiv 2510.02721), scaled down",
        f"{_SGD}, stochastic_depth",
        "about 2 min for 256 trials",
        "not measured",
        {},
    ),
    "convnext-tiny-adamw": Entry(
        f"{_HERE}.convnext",
        "ConvNeXtTinyAdamW",
        "ConvNeXt-T with AdamW on folders of images",
        "Liu et al. 2022 (arXiv 2201.03545), the space is ours",
        _ADAMW,
        "not measured",
        "not measured",
        {},
        _IMAGES,
    ),
    "convnext-digits-adamw": Entry(
        f"{_HERE}.convnext",
        "ConvNeXtDigitsAdamW",
        "a small ConvNeXt with AdamW on handwritten digits",
        "Liu et al. 2022 (arXiv 2201.03545), scaled down",
        _ADAMW,
        "not measured",
        "not measured",
        {},
    ),
    "llama-33m": Entry(
        f"{_HERE}.llama",
        "Llama33M",
        "a 33M-parameter Llama on files of tokens",
        "Lourie, He, Cho 2025 (arXiv 2510.02721)",
        "lr, beta1, beta2, warmup_steps, weight_decay, dropout",
        "not measured",
        "not measured",
        {},
        "train.npy and val.npy, the tokens",
    ),
    "llama-stdlib": Entry(
        f"{_HERE}.llama",
        "LlamaStdlib",
        "a tiny Llama on the source text of Python's standard library",
        "Lourie, He, Cho 2025 (arXiv 2510.02721), scaled down",
        "lr, beta1, beta2, warmup_steps, weight_decay, dropout",
        "7 min for 256 trials",
        "not measured",
        {},
    ),
    "deberta-mnli": Entry(
        f"{_HERE}.deberta",
        "DebertaMNLI",
        "DeBERTaV3-base, fine-tuned on MultiNLI",
        "Lourie, He, Cho 2025 (arXiv 2510.02721)",
        "batch_size, num_epochs, warmup_proportion, learning_rate, dropout",
        "not measured",
        "not measured",
        {},
        "model/, train.jsonl and valid.jsonl",
    ),
    "deberta-stdlib": Entry(
        f"{_HERE}.deberta",
        "DebertaStdlib",
        "a tiny DeBERTa, pretrained and fine-tuned on the standard library's source text",
        "Lourie, He, Cho 2025 (arXiv 2510.02721), scaled down",
        "batch_size, num_epochs, warmup_proportion, learning_rate, dropout",
        "about 9 min for 256 trials",
        "not measured",
        {},
    ),
}


def load(name: str, **options: Any) -> Task:
    """Return the reference search of this name.

    Parameters
    ----------
    name : str
        One of `REGISTRY`.
    **options
        Further arguments of its class, such as ``data``, the folder of its data.

    Raises
    ------
    InputError
        For an unknown name, with the known ones, or an option that the task does not take.
    """
    if name not in REGISTRY:
        close = difflib.get_close_matches(name, REGISTRY, n=1)
        hint = f" (did you mean {close[0]!r}?)" if close else ""
        raise InputError(f"there is no task {name!r}{hint}; the tasks: {', '.join(REGISTRY)}")
    entry = REGISTRY[name]
    try:
        kind = getattr(import_module(entry.module), entry.attribute)
    except ModuleNotFoundError as error:
        raise missing_extra(f"the task {name!r}", error.name or "a package", "search") from error
    options = {**entry.options, **options}
    try:
        inspect.signature(kind).bind(**options)
    except TypeError as error:
        raise InputError(f"the task {name!r} does not take these options: {error}") from error
    task: Task = kind(**options)
    return task
