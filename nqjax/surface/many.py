"""`fit_surfaces`: response surfaces of many searches."""

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import jax
from jax import Array
from numpy.typing import ArrayLike

from nqjax.errors import InputError
from nqjax.estimation.many import Failure
from nqjax.inputs import AUTO, as_key, shortened
from nqjax.runtime.parallel import num_cores
from nqjax.surface.fit import fit_quietly
from nqjax.surface.surface import ResponseSurface
from nqjax.trials.study import StudyTable

#: Most surfaces that are fitted at once.
_MOST = 16


def fit_surfaces(
    studies: Sequence[StudyTable | tuple[Any, ArrayLike]],
    space: Mapping[str, Any] | None = None,
    *,
    threshold: float | str | None = AUTO,
    minimize: bool | None = None,
    maximize: bool | None = None,
    key: Array | None = None,
) -> "list[ResponseSurface | Failure]":
    """Fit a response surface to each of many searches, on all cores.

    Parameters
    ----------
    studies : sequence of StudyTable, or of pairs of configurations and scores
        As for `nqjax.fit_surface`. Searches of similar sizes with equal numbers of hyperparameters share programs.
    space, threshold, minimize, maximize, key
        As for `nqjax.fit_surface`, for all studies. Each study has the same draws as by itself.

    Returns
    -------
    list of ResponseSurface or Failure
        In the order of the studies; a `Failure` has the reason for which a study has no surface. Nothing is warned of:
        each surface has its `warnings`.

    Raises
    ------
    InputError
        The studies are no sequence, or the key is none.

    Examples
    --------
    >>> import numpy as np, nqjax
    >>> lr = np.random.default_rng(0).uniform(size=48)
    >>> good, bad = nqjax.fit_surfaces([({"lr": lr}, (lr - 0.3) ** 2), ({"lr": lr}, lr * np.nan)])
    >>> good.optimum["lr"].__round__(1), bad.reason
    (0.3, '0 different scores are too few for a surface: run more trials, at least 8')
    """
    if not isinstance(studies, list | tuple):
        raise InputError(f"studies is {shortened(studies)}: give a list of studies, or of configurations with scores")
    seed = jax.random.key(0) if key is None else as_key(key)

    def fit(study: Any) -> ResponseSurface | Failure:
        try:
            pair = study if isinstance(study, tuple | list) else (study, None)
            if len(pair) != 2:
                raise InputError(f"a study is {shortened(study)}: give a pair of configurations and scores")
            return fit_quietly(pair[0], pair[1], space, threshold, minimize, maximize, seed)
        except InputError as error:
            return Failure(str(error))

    with ThreadPoolExecutor(min(num_cores(), _MOST), thread_name_prefix="nqjax") as pool:
        return list(pool.map(fit, studies))
