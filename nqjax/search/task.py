"""What a search trains: the protocol of a task, written for one trial."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import jax

from nqjax.errors import InputError
from nqjax.search.sources import Arrays, Source, Stream

#: A trial's hyperparameters inside `init`, `step` and `evaluate`: static ones are Python values, the others traced.
Config = Mapping[str, Any]


class Task:
    """A model, its data and its training, for one trial; the search trains whole populations of them side by side.

    A subclass gives the attributes without a value here, and `init`, `step`, `evaluate` and `num_rounds`. Inside the
    first three the hyperparameters named in `static` are Python values and all others are traced scalars, float32
    (int32 for whole numbers), with ``config["num_rounds"]`` among them. Everything must work under `jax.vmap`: no
    branches on traced values, and schedules computed from traced lengths. Randomness comes from the key alone.

    Compiled programs and the examples on the devices are kept for the task's next search, as long as its attributes are
    the same objects: give an attribute a new value rather than change what is in it, such as an array's elements.

    Attributes
    ----------
    name : str
        What the task is called.
    score : str
        The metric that is a trial's score, taken at the round where it is best.
    minimize : bool
        Whether lower scores are better.
    space : mapping
        The default search space, of `nqjax.search.space`.
    static : tuple of str
        Hyperparameters that fix shapes or the program; trials are grouped by their values, a compiled program each.
    train, valid : Arrays or Stream
        The examples to train on, and those to evaluate on.
    evaluation_size : int
        How many examples are evaluated at once.
    lanes : int or None
        How many trials one program trains side by side on a CPU; None for the default, 16. What a trial gives depends
        on it in the last digits, which training amplifies: a search that goes on keeps the width its file began with.
    settings : mapping
        What, beside its name, makes the task what it is, for JSON: sizes, or a fingerprint of the data. A search is
        not continued with other settings.
    source : str or None
        Where the data are, for the header of a search's file; they may move.
    """

    name: str
    score: str
    minimize: bool = True
    space: Mapping[str, Any]
    static: tuple[str, ...] = ()
    train: Source
    valid: Source
    evaluation_size: int = 1024
    lanes: int | None = None
    settings: Mapping[str, Any] = {}
    source: str | None = None

    def batch_size(self, config: Config) -> int:
        """Return the batch size, a function of static hyperparameters; by default the one called "batch_size"."""
        return int(config["batch_size"])

    def num_rounds(self, config: Config) -> int:
        """Return how many rounds (such as epochs) the trial trains; it is evaluated after each. Values are Python's."""
        raise NotImplementedError

    def steps_per_round(self, config: Config) -> int:
        """Return the number of steps in a round, a function of static hyperparameters; by default one epoch's."""
        return max(len(self.train) // self.batch_size(config), 1)

    def init(self, config: Config, key: jax.Array) -> Any:
        """Return the state before training, a pytree of arrays: parameters, optimiser state and the like."""
        raise NotImplementedError

    def step(self, state: Any, config: Config, batch: dict[str, jax.Array], key: jax.Array) -> tuple[Any, jax.Array]:
        """Return the state after one update, and the loss, a scalar."""
        raise NotImplementedError

    def evaluate(self, state: Any, config: Config, batch: dict[str, jax.Array]) -> dict[str, jax.Array]:
        """Return each metric for every example, of shape (examples,); the search takes the mean over `valid`."""
        raise NotImplementedError


def check_task(task: Any) -> None:
    """Raise InputError for what cannot be a task, saying what it lacks."""
    kind = type(task).__name__
    if isinstance(task, type):
        raise InputError(f"the task is the class {task.__name__}: give an instance, {task.__name__}()")
    needed = ["name", "score", "space", "train", "valid", "num_rounds", "init", "step", "evaluate"]
    missing = [name for name in needed if not hasattr(task, name)]
    if missing:
        raise InputError(f"the task {kind} lacks {', '.join(missing)}: see nqjax.search.Task")
    if isinstance(task.static, str):
        raise InputError(f"static of the task {kind} is a text: give a tuple of names")
    for name in ("train", "valid"):
        if not isinstance(getattr(task, name), Arrays | Stream):
            raise InputError(f"{name} of the task {kind} is a {type(getattr(task, name)).__name__}: give Arrays(x=...)")
