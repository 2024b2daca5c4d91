"""The geometry of a regime, from a landscape or from the trials of a random search."""

from __future__ import annotations

from typing import Any

from nqjax.errors import InputError
from nqjax.landscape.geometry import Geometry
from nqjax.landscape.landscape import Landscape


def regime_geometry(trials: Any, threshold: Any) -> Geometry:
    """Return which hyperparameters decide whether a configuration is in the regime, and how many that makes.

    The relevance of a hyperparameter says how much narrower it is inside the regime than everywhere, on the scale of
    its sampling distribution. It names the hyperparameters that count at this level of the score; how many directions
    count (``gamma``) follows the regime's share as much as the surface, so it does not confirm a fitted gamma.

    Parameters
    ----------
    trials : Landscape or StudyTable
        A landscape, or a random search as `nqjax.read_study` gives it.
    threshold : float or Regime
        The worst score of the regime, or what `nqjax.find_regime` has found.

    Returns
    -------
    Geometry

    Raises
    ------
    InputError
        If no threshold is given or fewer than 10 configurations are in the regime.

    Examples
    --------
    >>> import numpy as np
    >>> import nqjax
    >>> x = np.random.default_rng(0).uniform(size=(2, 1000))
    >>> land = nqjax.Landscape({"lr": x[0], "width": x[1]}, (x[0] - 0.5) ** 2)
    >>> geometry = nqjax.regime_geometry(land, 0.02)
    >>> geometry.counting, round(geometry.relevance["lr"].value, 2)
    (['lr'], 0.91)
    """
    threshold = getattr(threshold, "threshold", threshold)
    if threshold is None or isinstance(threshold, str):
        raise InputError("there is no threshold: give the worst score of the regime")
    return as_landscape(trials).geometry(threshold)


def as_landscape(trials: Any) -> Landscape:
    """Return the landscape of a study, or the landscape that was given."""
    if isinstance(trials, Landscape):
        return trials
    if hasattr(trials, "config") and hasattr(trials, "scores") and hasattr(trials, "direction"):
        return Landscape(trials.config, trials.scores, minimize=trials.direction != "maximize")
    raise InputError("give a Landscape or a study (nqjax.read_study)")
