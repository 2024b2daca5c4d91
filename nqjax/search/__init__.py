"""Run whole random hyperparameter searches as populations that train side by side.

>>> import jax
>>> from nqjax import search
>>> trials = search.run(search.load("digits-mlp"), num_trials=1024, key=jax.random.key(0), out="trials.jsonl")
>>> nqjax.fit(trials.scores, limits=(-math.inf, 0.085))
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from nqjax.search.runner import run as run
    from nqjax.search.sources import Arrays as Arrays
    from nqjax.search.sources import Stream as Stream
    from nqjax.search.space import Choice as Choice
    from nqjax.search.space import Derived as Derived
    from nqjax.search.space import DiscreteUniform as DiscreteUniform
    from nqjax.search.space import Fixed as Fixed
    from nqjax.search.space import LogUniform as LogUniform
    from nqjax.search.space import Uniform as Uniform
    from nqjax.search.space import When as When
    from nqjax.search.table import Trials as Trials
    from nqjax.search.table import read_trials as read_trials
    from nqjax.search.task import Task as Task
    from nqjax.search.tasks import load as load

# Imported at first use, so that `nqjax search --list` and a mistake on the command line do not wait for JAX.
_HOME = {
    "Arrays": "sources",
    "Choice": "space",
    "Derived": "space",
    "DiscreteUniform": "space",
    "Fixed": "space",
    "LogUniform": "space",
    "Stream": "sources",
    "Task": "task",
    "Trials": "table",
    "Uniform": "space",
    "When": "space",
    "load": "tasks",
    "read_trials": "table",
    "run": "runner",
}
__all__ = [*_HOME]  # noqa: PLE0604


def __getattr__(name: str) -> object:
    if name in _HOME.values():
        return import_module(f"{__name__}.{name}")
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return __all__
