"""`nqjax.bootstrap`: refits of resamples of one search, within its regime."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Literal

import jax
from jax import Array
from numpy.typing import ArrayLike

from nqjax.analysis.threshold import Selection, p_value_of, read_question, select, warn_if_chosen, warn_if_rejected
from nqjax.confidence.bootstrap import Bootstrap, check_resamples, refit_all
from nqjax.estimation.constraints import Constraint
from nqjax.estimation.resamples import Resampler
from nqjax.inputs import (
    AUTO,
    Limits,
    Threshold,
    as_choice,
    as_count,
    as_devices,
    as_dtype,
    as_flag,
    as_key,
    as_probability,
)


def bootstrap(
    scores: ArrayLike,
    num_resamples: int = 1000,
    *,
    key: Array,
    threshold: Threshold = AUTO,
    limits: Limits | None = None,
    minimize: bool | None = None,
    maximize: bool | None = None,
    alpha: Constraint = None,
    beta: Constraint = None,
    gamma: Constraint = (1, 5),
    sigma: Constraint = None,
    confidence: float = 0.95,
    dtype: str = "float64",
    devices: Sequence[jax.Device] | None = None,
    progress: bool = False,
    on_interrupt: Literal["raise", "return"] = "raise",
) -> Bootstrap:
    """Refit resamples of the scores, drawn with replacement.

    Parameters
    ----------
    scores : array_like, shape (num_scores,)
        One score a trial, as for `nqjax.fit`. Failed runs and scores outside the limits are resampled, too.
    num_resamples : int
        Number of resamples.
    key : Array
        A JAX random key. The i-th resample depends on the key and i alone.
    threshold, limits, minimize, maximize, alpha, beta, gamma, sigma
        As for `nqjax.fit`. A threshold that is chosen is the same for all resamples.
    confidence : float
        Coverage of the intervals, unless another is asked for.
    dtype : {"float64", "float32"}
        Precision of the computation, see `nqjax.fit_many`.
    devices : sequence of jax.Device, optional
        Where to compute; all local devices by default. Results do not depend on the devices.
    progress : bool
        Whether to show a progress bar on stderr.
    on_interrupt : {"raise", "return"}
        Whether Ctrl-C raises KeyboardInterrupt or returns the resamples that are done, if there are any. On several
        hosts it always raises.

    Returns
    -------
    Bootstrap

    Raises
    ------
    InputError
        As `nqjax.fit`; a number of resamples below 1; an invalid key or confidence.

    Warns
    -----
    FitWarning
        As `nqjax.fit`.

    Notes
    -----
    A gamma is dropped when its loss minus ten times the decrease that Newton's model predicts is above another gamma's
    best loss. The first 256 resamples are fitted from all starts, as by `nqjax.fit`, and again from the optimum of the
    scores themselves for every gamma. If these warm starts always find the same losses to 1e-6, the other resamples
    are fitted from a warm start only, which is several times as fast. Otherwise (small studies have many local optima)
    all resamples are fitted from all starts.

    Examples
    --------
    >>> import jax
    >>> import numpy as np
    >>> import nqjax
    >>> scores = np.random.default_rng(0).random(48)
    >>> boot = nqjax.bootstrap(scores, 40, key=jax.random.key(0), threshold=None, gamma=2, sigma=0)
    >>> boot.num_resamples, boot.num_failed
    (40, 0)
    """
    num_resamples, key = as_count("num_resamples", num_resamples), as_key(key)
    check_resamples(num_resamples)
    confidence = as_probability("confidence", confidence)
    as_choice("on_interrupt", on_interrupt, ("raise", "return"))
    show, dtype, devices = as_flag("progress", progress), as_dtype(dtype), as_devices(devices)
    question = read_question(threshold, limits, minimize, maximize, alpha, beta, gamma, sigma)
    chosen = select(scores, question)
    boot = bootstrap_of(chosen, num_resamples, key, confidence, dtype, devices, show, on_interrupt)
    warn_if_rejected(boot.fit)
    warn_if_chosen(chosen)
    return boot


def bootstrap_of(
    chosen: Selection,
    num_resamples: int,
    key: Array,
    confidence: float,
    dtype: str = "float64",
    devices: Sequence[jax.Device] | None = None,
    progress: bool = False,
    on_interrupt: Literal["raise", "return"] = "raise",
) -> Bootstrap:
    """Refit resamples of a study whose arguments are checked, see `bootstrap`."""
    resampler = Resampler.make(chosen.study, key, dtype, as_devices(devices))
    boot = refit_all(resampler, num_resamples, confidence, progress, on_interrupt)
    return replace(boot, fit=replace(boot.fit, p_value=p_value_of(boot.fit, chosen)))
