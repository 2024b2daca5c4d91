"""The methods that decide while trials train: their settings and their names."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any, ClassVar

from nqjax.errors import InputError
from nqjax.inputs import as_count, as_number
from nqjax.search.fidelity.population_based import PopulationBasedTraining, check_settings


@dataclass(frozen=True)
class SuccessiveHalving:
    """Brackets that begin with many trials and keep one in ``eta`` at each rung (Jamieson and Talwalkar 2016).

    A bracket begins with as many trials as leave one for a full training; brackets are repeated. This is the first
    bracket of Hyperband.

    Attributes
    ----------
    eta : int
        One in ``eta`` trials goes on to the next rung, which is ``eta`` times as far.
    min_rounds : int
        Rounds of the shortest training.

    Examples
    --------
    >>> from nqjax.search import SuccessiveHalving
    >>> SuccessiveHalving(min_rounds=3)
    SuccessiveHalving(eta=3, min_rounds=3)
    """

    eta: int = 3
    min_rounds: int = 1

    name: ClassVar[str] = "halving"


@dataclass(frozen=True)
class Hyperband:
    """Successive halving in several brackets, those with fewer rungs stopping fewer trials (Li et al. 2018).

    Attributes
    ----------
    eta : int
        One in ``eta`` trials goes on to the next rung, which is ``eta`` times as far.
    min_rounds : int
        Rounds of the shortest training.
    """

    eta: int = 3
    min_rounds: int = 1

    name: ClassVar[str] = "hyperband"


@dataclass(frozen=True)
class ASHA:
    """Successive halving by workers that do not wait for each other (Li et al. 2020, the variant with promotions).

    Attributes
    ----------
    eta : int
        Of the trials in a rung, the best ``1 / eta`` go on to the next, which is ``eta`` times as far.
    min_rounds : int
        Rounds of the shortest training.
    workers : int, optional
        Trials that train at the same time; by default the ``batch`` of the search.
    """

    eta: int = 3
    min_rounds: int = 1
    workers: int | None = None

    name: ClassVar[str] = "asha"


@dataclass(frozen=True)
class BOHB:
    """Hyperband whose configurations TPE proposes, a bracket at a time (after Falkner, Klein and Hutter 2018).

    The first bracket is random, and so is a share of the others. TPE has the settings and the joint kernels of
    `nqjax.search.TPE`. It compares trials by the rung that they reached, then by their scores there; in the paper, the
    densities are of the highest rung with enough trials alone.

    Attributes
    ----------
    eta : int
        One in ``eta`` trials goes on to the next rung, which is ``eta`` times as far.
    min_rounds : int
        Rounds of the shortest training.
    random_share : float
        Share of random trials after the first bracket.
    """

    eta: int = 3
    min_rounds: int = 1
    random_share: float = 1 / 3

    name: ClassVar[str] = "bohb"


@dataclass(frozen=True)
class MedianStopping:
    """Random search whose trials stop where they are worse than the median of earlier ones (Golovin et al. 2017).

    Trials train in batches. After each round, a trial stops if its best score so far is worse than the median of what
    the trials of earlier batches had after that round, each of them the mean of its scores up to there. Trials that had
    stopped or failed before do not count.

    Attributes
    ----------
    min_rounds : int
        No trial stops before it has trained so long.
    startup : int
        No trial stops after a round that fewer earlier trials have reached.

    Examples
    --------
    >>> from nqjax.search import MedianStopping
    >>> MedianStopping(min_rounds=3)
    MedianStopping(min_rounds=3, startup=10)
    """

    min_rounds: int = 1
    startup: int = 10

    name: ClassVar[str] = "median"


#: Methods that compare trials at rungs, and stop some there.
RungMethod = SuccessiveHalving | Hyperband | ASHA | BOHB

FidelityMethod = RungMethod | MedianStopping | PopulationBasedTraining

#: The methods by name.
FIDELITY_METHODS: dict[str, type[FidelityMethod]] = {
    kind.name: kind for kind in (SuccessiveHalving, Hyperband, ASHA, BOHB, MedianStopping, PopulationBasedTraining)
}


def as_fidelity_method(method: Any) -> FidelityMethod | None:
    """Return the method of a name with its defaults, or a method as it is; None for all others.

    Raises
    ------
    InputError
        A setting is invalid.
    """
    found: Any = FIDELITY_METHODS[method]() if isinstance(method, str) and method in FIDELITY_METHODS else method
    if isinstance(found, type) and issubclass(found, FidelityMethod):
        raise InputError(f"method is the class {found.__name__}: give an instance, {found.__name__}()")
    if not isinstance(found, FidelityMethod):
        return None
    if isinstance(found, PopulationBasedTraining):
        check_settings(found)
        return found
    as_count("min_rounds", found.min_rounds)
    if isinstance(found, MedianStopping):
        as_count("startup", found.startup)
        return found
    as_count("eta", found.eta, least=2)
    if isinstance(found, ASHA) and found.workers is not None:
        as_count("workers", found.workers)
    if isinstance(found, BOHB) and not 0 <= as_number("random_share", found.random_share) <= 1:
        raise InputError(f"random_share is {found.random_share}: give a share from 0 to 1")
    return found


def fidelity_settings(method: FidelityMethod) -> dict[str, Any]:
    """Return the name and the settings of a method, for JSON."""
    return {"method": method.name, **dataclasses.asdict(method)}
