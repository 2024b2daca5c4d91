"""`nqjax.fit_many`: fits of many searches, each within its regime."""

import warnings
from collections.abc import Iterator, Sequence
from dataclasses import replace

import jax
from numpy.typing import ArrayLike, DTypeLike

from nqjax.analysis.threshold import ADVICE_MANY, REJECTED, Question, read_question
from nqjax.checks.goodness import misfit_p_values
from nqjax.checks.regime import find_regimes
from nqjax.errors import FitWarning, InputError
from nqjax.estimation.constraints import Constraint
from nqjax.estimation.fit import Fit
from nqjax.estimation.many import Failure, Fits, fit_studies
from nqjax.inputs import (
    AUTO,
    Limits,
    Threshold,
    as_devices,
    as_dtype,
    as_flag,
    as_regimes,
    as_scores,
    as_studies,
    limits_up_to,
)
from nqjax.runtime.progress import Progress

#: Number of studies that are fitted together. Where thresholds are chosen, each has a dozen fits.
_STUDIES_AT_ONCE = 512


def fit_many(
    studies: Sequence[ArrayLike],
    *,
    threshold: Threshold = AUTO,
    limits: Limits | Sequence[Limits] | None = None,
    minimize: bool | None = None,
    maximize: bool | None = None,
    alpha: Constraint = None,
    beta: Constraint = None,
    gamma: Constraint = (1, 5),
    sigma: Constraint = None,
    dtype: DTypeLike = "float64",
    devices: Sequence[jax.Device] | None = None,
    progress: bool = False,
) -> Fits:
    """Fit the noisy quadratic distribution to each of many studies.

    Parameters
    ----------
    studies : sequence of array_like
        The scores of each study, one score a trial; lengths may differ.
    threshold : float, "auto" or None
        Where the regime ends, as for `nqjax.fit`; by default it is chosen for each study.
    limits : pair of float, or a sequence of such pairs, optional
        The regime instead, one for all studies or one for each; see `nqjax.fit` and `nqjax.quantile_limits`.
    minimize, maximize, alpha, beta, gamma, sigma
        As for `nqjax.fit`, for all studies.
    dtype : {"float64", "float32"}
        Precision of the optimisation. Single precision is for accelerators that are slow in double; optima are then
        refined in double on the host's CPU, so that estimates differ by far less than their statistical error.
    devices : sequence of jax.Device, optional
        Where to compute; all local devices by default. Results do not depend on it. Where JAX runs on several hosts
        (`jax.distributed`), call this on all of them with the same studies: each fits its share, and all return the
        fits of all studies.
    progress : bool
        Whether to show a progress bar on stderr.

    Returns
    -------
    Fits
        With a `Failure` for each study that cannot be fitted, or for which no threshold is acceptable. Where all scores
        are used and equal, the fit is a point mass: alpha and beta are that score, sigma is 0, and gamma, which cannot
        be told, is the lowest one allowed.

    Raises
    ------
    InputError
        Invalid constraints or options, or a number of limits that is not the number of studies.

    Warns
    -----
    FitWarning
        The scores of some studies do not follow their fits (p < 0.05); see ``Fits.p_value``.

    Examples
    --------
    >>> import numpy as np
    >>> import nqjax
    >>> rng = np.random.default_rng(0)
    >>> fits = nqjax.fit_many([rng.random(48), rng.random(32)], threshold=None, gamma=2, sigma=0)
    >>> fits
    Fits(2 studies, 0 failed, 2 converged)
    """
    question = read_question(threshold, None, minimize, maximize, alpha, beta, gamma, sigma)
    studies = as_studies(studies)
    if limits is not None and question.threshold != AUTO:
        raise InputError("threshold and limits are both given: give one of them")
    regimes = None if limits is None else as_regimes(limits, len(studies))
    results: list[Fit | Failure] = [Failure("not fitted")] * len(studies)
    with Progress("studies", len(studies), show=as_flag("progress", progress)) as bar:
        for start, some in fitted_in_parts(studies, question, regimes, as_dtype(dtype), as_devices(devices)):
            results[start : start + len(some)] = some
            bar.advance(len(some))
    rejected = [i for i, fit in enumerate(results) if isinstance(fit, Fit) and fit.p_value < REJECTED]
    if rejected and (question.threshold != AUTO or limits is not None):
        listed = ", ".join(map(str, rejected[:5])) + (", ..." if len(rejected) > 5 else "")
        text = f"{len(rejected)} of {len(results)} studies do not follow their fits (p < {REJECTED}): studies {listed}"
        warnings.warn(text, FitWarning, stacklevel=2)
    return Fits(results)


def fitted_in_parts(
    studies: Sequence[ArrayLike],
    question: Question,
    regimes: Sequence[Limits] | None,
    dtype: str,
    devices: tuple[jax.Device, ...] | None = None,
) -> Iterator[tuple[int, list[Fit | Failure]]]:
    """Fit studies, and test the fits; yield the place of the first of some studies, and their results.

    ``regimes`` are the limits of each study, None to take those of the question.
    """
    if regimes is None and question.threshold != AUTO:
        regimes = [limits_up_to(question.threshold, question.minimize)] * len(studies)  # type: ignore[arg-type]
    for start in range(0, len(studies), _STUDIES_AT_ONCE):
        some = studies[start : start + _STUDIES_AT_ONCE]
        if regimes is None:
            yield start, _in_chosen_regimes(some, question, dtype, devices)
        else:
            yield start, _in_given_regimes(some, regimes[start : start + len(some)], question, dtype, devices)


def _in_chosen_regimes(
    studies: Sequence[ArrayLike], question: Question, dtype: str, devices: tuple[jax.Device, ...] | None
) -> list[Fit | Failure]:
    results: list[Fit | Failure] = []
    for regime in find_regimes(studies, question.minimize, question.constraints, dtype=dtype, devices=devices):
        if isinstance(regime, Failure):
            results.append(regime)
        elif regime.fit is None:
            results.append(Failure(f"{regime.reason}; {ADVICE_MANY}"))
        else:
            results.append(replace(regime.fit, p_value=regime.p_value))
    return results


def _in_given_regimes(
    studies: Sequence[ArrayLike],
    regimes: Sequence[Limits],
    question: Question,
    dtype: str,
    devices: tuple[jax.Device, ...] | None,
) -> list[Fit | Failure]:
    results = list(fit_studies(studies, regimes, question.minimize, question.constraints, dtype, devices))
    good = {i: fit for i, fit in enumerate(results) if isinstance(fit, Fit) and fit.alpha < fit.beta}
    p_values = misfit_p_values(list(good.values()), [as_scores(studies[i]) for i in good])
    for (i, fit), p_value in zip(good.items(), p_values, strict=True):
        results[i] = replace(fit, p_value=float(p_value))
    return results
