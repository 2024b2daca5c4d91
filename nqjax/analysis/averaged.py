"""The answer that is averaged over the threshold: the default wherever no threshold is given."""

import math
from typing import TYPE_CHECKING, Any, Literal

import jax
from jax import Array
from numpy.typing import ArrayLike

from nqjax.analysis.threshold import Question
from nqjax.errors import InputError
from nqjax.estimation.many import Failure
from nqjax.estimation.noise_data import Noise, as_noise
from nqjax.estimation.study import Study
from nqjax.inputs import AUTO, as_key, as_number, as_studies
from nqjax.posterior.averaged import AveragedPosterior, averaged_posterior
from nqjax.posterior.seeds import make_seed
from nqjax.runtime.parallel import in_parallel

if TYPE_CHECKING:
    from nqjax.posterior.prior import Prior

#: The unit of rounded scores, or how it is found.
Rounding = Literal["auto"] | float | None


def leaves_open(question: Question) -> bool:
    """Return whether the threshold is left to the analysis, and all thresholds can be tried."""
    return question.limits is None and question.threshold == AUTO and _fixed(question) is None


def _fixed(question: Question) -> str | None:
    """Return the name of a parameter that is fixed; a fixed gamma is none, as it needs no density."""
    for name in ("alpha", "beta", "sigma"):
        low, high = getattr(question.constraints, name)
        if low == high:
            return name if question.minimize or name == "sigma" else {"alpha": "beta", "beta": "alpha"}[name]
    return None


def _check(question: Question) -> None:
    if question.limits is not None or question.threshold != AUTO:
        raise InputError("the averaged posterior tries every threshold: leave threshold and limits out")
    if (name := _fixed(question)) is not None:
        raise InputError(f"{name} is fixed, which the averaged posterior cannot do: give {name} an interval")


def averaged_of(
    scores: ArrayLike,
    question: Question,
    key: Array | None = None,
    *,
    confidence: float = 0.95,
    unit: float | None = None,
    prior: "Prior | None" = None,
    shape: tuple[int, int] = (4, 1000),
    noise: Noise | None = None,
) -> AveragedPosterior:
    """Return the posterior averaged over all thresholds.

    Without a key the draws are those of seed 0: they stand for an integral, whose value does not depend on the seed.
    ``unit`` is that of rounded scores, None if it is to be found.

    Raises
    ------
    InputError
        A threshold is given; too few different scores; bounds or a prior that exclude the data.
    """
    _check(question)
    study = Study.constrained(scores, (-math.inf, math.inf), question.minimize, question.constraints)
    seed = 0 if key is None else make_seed(as_key(key))
    options: dict[str, Any] = {"shape": shape, "confidence": confidence, "noise": as_noise(noise)}
    return averaged_posterior(study, seed, prior=prior, rounding=unit, **options)


def averaged_of_many(studies: Any, question: Question, key: Array, **options: Any) -> list[AveragedPosterior | Failure]:
    """Return the averaged posterior of each study, a `Failure` for each that has none; options as `averaged_of`."""
    _check(question)
    studies = as_studies(studies)
    keys = list(jax.random.split(key, max(len(studies), 1)))

    def one(place: int, _: jax.Device) -> tuple[int, AveragedPosterior | Failure]:
        try:
            return place, averaged_of(studies[place], question, keys[place], **options)
        except InputError as error:
            return place, Failure(str(error))

    found = dict(in_parallel(one, range(len(studies)), jax.local_devices()))
    return [found[place] for place in range(len(studies))]


def read_rounding(rounding: Rounding) -> float | None:
    """Return the unit of the scores: 0 for exact scores, None if it is to be found."""
    if isinstance(rounding, str) and rounding == AUTO:
        return None
    unit = 0.0 if rounding is None else as_number("rounding", rounding)
    if not 0 <= unit < math.inf:
        raise InputError(f'rounding is {unit:g}: give the unit of the scores, such as 0.01, or "auto"')
    return unit
