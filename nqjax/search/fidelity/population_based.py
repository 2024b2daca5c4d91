"""The settings of population-based training."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from nqjax.errors import InputError
from nqjax.inputs import as_count, as_number


@dataclass(frozen=True)
class PopulationBasedTraining:
    """Populations whose poor trials take over the weights and hyperparameters of good ones (Jaderberg et al. 2017).

    All trials of a population train side by side, and are compared every ``interval`` rounds by their scores after that
    round, not by their best ones so far. Each of the worst goes on from the weights of one of the best, with its
    hyperparameters, changed at random, and with random numbers of its own. A failed trial is worse than all others.

    A hyperparameter is drawn anew with probability ``resample``. Else a `LogUniform` one is multiplied by one of the
    factors, a `Uniform` one by its distance from the lower end, both within their ends; so is a `DiscreteUniform` one,
    rounded, but by a step at least; a `Choice` takes the value before or after in its list. Static hyperparameters are
    copied without a change, and so are those whose change would give another program or another number of rounds;
    derived ones follow from the others.

    Trials of different lengths are compared at the same round, as long as they train; who takes over the weights of
    another also takes over its length.

    Attributes
    ----------
    population : int
        Trials of a population; a search of more trials has several independent populations.
    interval : int, optional
        Rounds between two comparisons; by default a tenth of the longest training.
    truncation : float
        Share of a population that is replaced at a comparison, at most a half, rounded down, at least one trial; the
        same number of the best trials are the ones to take over.
    factors : tuple of float
        A number below 1 and one above it, between which a coin decides.
    resample : float
        Probability that a hyperparameter is drawn anew.
    burn_in : int
        Rounds before the first replacement.
    exploit_probability : float
        Probability that one of the worst is replaced. With 0 the search is a random one.

    Examples
    --------
    >>> from nqjax.search import PopulationBasedTraining
    >>> PopulationBasedTraining(population=8, interval=3).truncation
    0.2
    """

    population: int = 16
    interval: int | None = None
    truncation: float = 0.2
    factors: tuple[float, float] = (0.8, 1.2)
    resample: float = 0.25
    burn_in: int = 0
    exploit_probability: float = 1.0

    name: ClassVar[str] = "pbt"

    def comparisons(self, longest: int) -> int:
        """Return the rounds between two comparisons of trials, the longest of which has ``longest`` rounds.

        Raises
        ------
        InputError
            No comparison comes before the end of training.
        """
        interval = max(1, longest // 10) if self.interval is None else self.interval
        if interval >= longest:
            raise InputError(
                f"interval is {interval}, but the longest training has {longest} rounds: give a shorter one, so that "
                "trials are compared before their ends"
            )
        last = (longest - 1) // interval * interval
        if self.burn_in > last:
            raise InputError(f"burn_in is {self.burn_in}, but the last comparison is after {last} rounds: give less")
        return interval


def check_settings(method: PopulationBasedTraining) -> None:
    """Raise InputError for an invalid setting."""
    as_count("population", method.population, least=2)
    if method.interval is not None:
        as_count("interval", method.interval)
    as_count("burn_in", method.burn_in, least=0)
    for name in ("resample", "exploit_probability"):
        if not 0 <= as_number(name, getattr(method, name)) <= 1:
            raise InputError(f"{name} is {getattr(method, name)}: give a probability from 0 to 1")
    if not 0 < as_number("truncation", method.truncation) <= 0.5:
        raise InputError(f"truncation is {method.truncation}: give a share above 0, at most 0.5")
    factors = method.factors
    if not isinstance(factors, tuple | list) or len(factors) != 2:
        raise InputError(f"factors is {factors!r}: give a number below 1 and one above it, such as (0.8, 1.2)")
    low, high = (as_number("factors", factor) for factor in factors)
    if not 0 < low < 1 < high:
        raise InputError(f"factors is {factors!r}: give a number below 1 and one above it, such as (0.8, 1.2)")
