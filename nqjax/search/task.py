"""The protocol of a task, which says how one trial is trained."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import jax

from nqjax.errors import InputError
from nqjax.search.sources import Arrays, Source, Stream

#: A trial's hyperparameters; in `init`, `step` and `evaluate` static ones are Python values and the others are traced.
Config = Mapping[str, Any]


class Task:
    """A model, its data and its training, for one trial; a search trains whole populations of trials side by side.

    A subclass sets the attributes that have no value here and defines `init`, `step`, `evaluate` and `num_rounds`. In
    `init`, `step` and `evaluate` the hyperparameters named in `static` are Python values; all others are traced
    scalars, float32 (int32 for whole numbers), and ``config["num_rounds"]`` is one of them. Everything must work under
    `jax.vmap`: no branches on traced values, and schedules computed from traced lengths. All randomness must come from
    the key.

    Compiled programs and the examples on the devices are kept for the task's next search, as long as its attributes are
    the same objects: give an attribute a new value rather than change what is in it, such as an array's elements.

    Attributes
    ----------
    name : str
        The task's name.
    score : str
        The metric that is a trial's score; it is taken after the round where it is best.
    minimize : bool
        Whether lower scores are better.
    space : mapping
        The default search space, of `nqjax.search.space`.
    static : tuple of str
        Hyperparameters that determine shapes or the program. Trials are grouped by their values, and each group has a
        compiled program.
    train, valid : Arrays or Stream
        The examples to train on, and those to evaluate on.
    evaluation_size : int
        How many examples are evaluated at once.
    lanes : int or None
        How many trials one program trains side by side on a CPU; None for the default, 16. The last digits of a trial's
        numbers depend on it, and training amplifies them, so a search that is continued keeps its first value.
    differentiable : tuple of str or None
        Hyperparameters that `nqjax.search.hypergradient` may differentiate by; None for all that are continuous. Leave
        out those that act through comparisons with random numbers, such as the rate of dropout: the derivative does
        not see them. A task may also have ``objective(params, config, arrays)``, what it minimises over the arrays of
        ``train`` with all penalties, ``params(state)`` and ``regularizers``, as `nqjax.search.Training` has.
    settings : mapping
        What identifies the task besides its name, for JSON: sizes, or a fingerprint of the data. A search is not
        continued with other settings.
    source : str or None
        The folder of the data, for the header of a search's file; the data may move.

    Examples
    --------
    A task whose trials take three steps of gradient descent:

    >>> import jax
    >>> import jax.numpy as jnp
    >>> from nqjax.search import Arrays, LogUniform, Task
    >>> class Square(Task):
    ...     name, score = "square", "error"
    ...     space = {"rate": LogUniform(0.01, 0.5)}
    ...     train = valid = Arrays(x=[1.0, 2.0])
    ...     def batch_size(self, config):
    ...         return 2
    ...     def num_rounds(self, config):
    ...         return 3
    ...     def init(self, config, key):
    ...         return jnp.float32(0)
    ...     def step(self, state, config, batch, key):
    ...         loss, slope = jax.value_and_grad(lambda w: jnp.mean((w * batch["x"] - 1) ** 2))(state)
    ...         return state - config["rate"] * slope, loss
    ...     def evaluate(self, state, config, batch):
    ...         return {"error": (state * batch["x"] - 1) ** 2}
    >>> Square().steps_per_round({})
    1
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
    differentiable: tuple[str, ...] | None = None
    settings: Mapping[str, Any] = {}
    source: str | None = None

    def batch_size(self, config: Config) -> int:
        """Return the batch size, a function of static hyperparameters; by default ``config["batch_size"]``."""
        return int(config["batch_size"])

    def num_rounds(self, config: Config) -> int:
        """Return the number of rounds (such as epochs); the trial is evaluated after each. Values are Python's."""
        raise NotImplementedError

    def steps_per_round(self, config: Config) -> int:
        """Return the steps of a round, a function of static hyperparameters; by default a round is an epoch."""
        return max(len(self.train) // self.batch_size(config), 1)

    def init(self, config: Config, key: jax.Array) -> Any:
        """Return the state before training, a pytree of arrays: parameters, the state of the optimiser and so on."""
        raise NotImplementedError

    def step(self, state: Any, config: Config, batch: dict[str, jax.Array], key: jax.Array) -> tuple[Any, jax.Array]:
        """Return the state after one update, and the loss, a scalar."""
        raise NotImplementedError

    def evaluate(self, state: Any, config: Config, batch: dict[str, jax.Array]) -> dict[str, jax.Array]:
        """Return each metric of every example, of shape (examples,); the search takes the mean over `valid`."""
        raise NotImplementedError


def check_task(task: Any) -> None:
    """Raise InputError for an invalid task; the message says what it lacks."""
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
