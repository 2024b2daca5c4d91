"""The methods by name."""

from __future__ import annotations

import dataclasses
import difflib
from importlib import import_module
from typing import TYPE_CHECKING, Any

from nqjax.errors import InputError

if TYPE_CHECKING:
    from nqjax.search.optimizers.method import Method

_HERE = "nqjax.search.optimizers"

#: The module and the class of each method.
METHODS = {
    "random": ("random_search", "RandomSearch"),
    "grid": ("fixed_designs", "GridSearch"),
    "sobol": ("fixed_designs", "SobolSearch"),
    "tpe": ("tpe", "TPE"),
    "gp": ("gaussian_process", "GaussianProcess"),
    "cma_es": ("evolution", "CMAES"),
    "evolution": ("evolution", "DifferentialEvolution"),
    "surface": ("surface_search", "SurfaceSearch"),
}


#: Methods that stop trials early: `nqjax.search.fidelity`.
STOPPING = ("halving", "hyperband", "asha", "bohb", "median")

#: The method whose trials take over the weights of others while they train: `nqjax.search.fidelity`.
POPULATION = "pbt"

#: Methods that earlier trials help.
LEARNING = ("tpe", "gp", "surface", "cma_es", "evolution")

#: Limit of earlier trials for methods with a Gaussian process, whose time grows with their cube.
MOST_FOR_GP = 512

#: Limit of earlier trials for methods that compare all pairs of them by ranks.
MOST_EARLIER = 4096


def as_method(method: str | Method) -> Method:
    """Return the method of a name, with its defaults; a method is returned as it is.

    Raises
    ------
    InputError
        The name is unknown, or it is neither a name nor a method.

    Examples
    --------
    >>> from nqjax.search.optimizers.registry import as_method
    >>> as_method("tpe").startup
    10
    """
    if not isinstance(method, str):
        if isinstance(method, type) or not all(hasattr(method, part) for part in ("name", "init", "ask", "tell")):
            raise InputError(f"method is {method!r}: give one of {', '.join(METHODS)}, or an instance such as TPE()")
        return method
    check_name(method)
    module, name = METHODS[method]
    found: Method = getattr(import_module(f"{_HERE}.{module}"), name)()
    return found


def check_name(method: str, *, may_stop: bool = False) -> None:
    """Raise InputError for an unknown name; nothing that takes time is imported.

    ``may_stop`` allows the methods that pause trials, too: to stop some, or to copy weights.
    """
    known = [*METHODS, *STOPPING, POPULATION] if may_stop else list(METHODS)
    if method == POPULATION and not may_stop:
        raise InputError(
            f"{method} copies weights between trials while they train: it is a method of nqjax search, and "
            "python -m bench pbt measures it at equal cost"
        )
    if method in STOPPING and not may_stop:
        raise InputError(
            f"{method} stops trials early, so its trials do not cost the same: it is a method of nqjax search, and "
            "nqjax replay measures it at equal cost, on learning curves"
        )
    if method not in known:
        close = difflib.get_close_matches(method, known, n=1)
        hint = f" (did you mean {close[0]!r}?)" if close else ""
        raise InputError(f"there is no method {method!r}{hint}; the methods: {', '.join(known)}")


def check_learns(method: Any, trials: int = 0) -> None:
    """Raise InputError for a method that earlier trials do not help, or that cannot take this number of them.

    Nothing that takes time is imported.
    """
    name = getattr(method, "name", method)
    if name not in LEARNING:
        raise InputError(f"{name} takes no earlier trials: give no prior, or a method of {', '.join(LEARNING)}")
    most = MOST_FOR_GP if name in ("gp", "surface") else MOST_EARLIER
    if trials > most:
        raise InputError(f"the prior has {trials:,} trials, and {name} takes {most:,} at most: give fewer")


def method_settings(method: Method) -> dict[str, Any]:
    """Return the name and the settings of a method, for JSON."""
    settings: dict[str, Any] = dataclasses.asdict(method) if dataclasses.is_dataclass(method) else {}  # type: ignore[call-overload]
    return {"method": method.name, **settings}
