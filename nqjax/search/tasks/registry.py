"""The reference searches by name; each is in a module of its own, which is imported when the search is loaded."""

from __future__ import annotations

import difflib
import inspect
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any

from nqjax.errors import InputError
from nqjax.runtime.extras import missing_extra

if TYPE_CHECKING:
    from nqjax.search.task import Task


@dataclass(frozen=True)
class Entry:
    """The place of a reference search.

    Attributes
    ----------
    module, attribute : str
        The module of its class, whose docstring is the record of the search, and the name of the class.
    data : str
        What the folder of its data holds; empty for a search that needs no folder.
    """

    module: str
    attribute: str
    data: str = ""


_HERE = "nqjax.search.tasks"

_IMAGES = "train/<class>/*.jpg and val/<class>/*.jpg"

REGISTRY: dict[str, Entry] = {
    "digits-mlp": Entry(f"{_HERE}.digits_mlp", "DigitsMLP"),
    "resnet18": Entry(f"{_HERE}.resnet", "ResNet18", _IMAGES),
    "resnet-digits": Entry(f"{_HERE}.resnet", "ResNetDigits"),
    "alexnet": Entry(f"{_HERE}.alexnet", "AlexNetImageNet", _IMAGES),
    "alexnet-digits": Entry(f"{_HERE}.alexnet", "AlexNetDigits"),
    "convnext-tiny": Entry(f"{_HERE}.convnext", "ConvNeXtTiny", _IMAGES),
    "convnext-digits": Entry(f"{_HERE}.convnext", "ConvNeXtDigits"),
    "convnext-tiny-adamw": Entry(f"{_HERE}.convnext", "ConvNeXtTinyAdamW", _IMAGES),
    "convnext-digits-adamw": Entry(f"{_HERE}.convnext", "ConvNeXtDigitsAdamW"),
    "llama-33m": Entry(f"{_HERE}.llama", "Llama33M", "train.npy and val.npy, the tokens"),
    "llama-stdlib": Entry(f"{_HERE}.llama", "LlamaStdlib"),
    "deberta-mnli": Entry(f"{_HERE}.deberta", "DebertaMNLI", "model/, train.jsonl and valid.jsonl"),
    "deberta-stdlib": Entry(f"{_HERE}.deberta", "DebertaStdlib"),
}


def load(name: str, **options: Any) -> Task:
    """Return the reference search of this name.

    Parameters
    ----------
    name : str
        One of those that ``nqjax search --list`` shows.
    **options
        Further arguments of its class, such as ``data``, the folder of its data.

    Returns
    -------
    Task
        For `nqjax.search.run`.

    Raises
    ------
    InputError
        If the name is unknown (the message has the known ones), the task does not take an option, its data are missing,
        or a package that it needs is not installed.

    Examples
    --------
    >>> from nqjax import search
    >>> task = search.load("digits-mlp")
    >>> list(task.space)
    ['learning_rate', 'momentum', 'weight_decay', 'dropout', 'init_scale']
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
    try:
        inspect.signature(kind).bind(**options)
    except TypeError as error:
        raise InputError(f"the task {name!r} does not take these options: {error}") from error
    task: Task = kind(**options)
    return task
