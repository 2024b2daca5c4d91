"""Bayesian optimisation with a Gaussian process, on scores that are clipped where the regime ends."""

from dataclasses import dataclass
from typing import Any, Literal

import jax
import jax.numpy as jnp
from jax import Array

from nqjax.inputs import as_choice
from nqjax.search.optimizers.acquisition import (
    confidence_bound,
    log_expected_improvement,
    log_probability_of_improvement,
)
from nqjax.search.optimizers.cube import Cube
from nqjax.search.optimizers.method import FromHistory, KeyedHistory, random_point
from nqjax.search.optimizers.regression import Hyper, Regression, fit_hyper, regress
from nqjax.search.optimizers.transforms import transformed

#: Candidates near the best point, and how far from it they lie.
_NEAR = 64
_SPREAD = 0.05

#: Candidates that are improved by following the gradient, steps, and the length of a step.
_REFINED = 4
_STEPS = 20
_STEP = 0.02


@dataclass(frozen=True)
class GaussianProcess(FromHistory):
    """The point that promises most according to a Gaussian process with a Matérn-5/2 kernel.

    Attributes
    ----------
    acquisition : {"ei", "pi", "ucb"}
        The expected improvement (its logarithm), the probability of improvement, or a confidence bound.
    clip : {"regime", "none"}
        "regime": scores above the median of the startup trials, and failed trials, count as that median. The process
        then spends nothing on how bad the bad trials are.
    transform : {"none", "log", "rank", "power"}
        How the scores, clipped or not, are changed before the process is fitted; see
        `nqjax.search.optimizers.transforms.transformed`.
    startup : int
        Random trials at the start.
    steps : int
        Steps of Adam by which the hyperparameters follow each new score.
    candidates : int
        Random candidates for the next point; the best ones follow the gradient.
    width : float
        Standard deviations of the confidence bound.
    """

    acquisition: Literal["ei", "pi", "ucb"] = "ei"
    clip: Literal["regime", "none"] = "regime"
    transform: Literal["none", "log", "rank", "power"] = "none"
    startup: int = 10
    steps: int = 15
    candidates: int = 256
    width: float = 2.0

    name = "gp"

    def __post_init__(self) -> None:
        """Check the settings that are words: a clip that is misspelt would mean none."""
        as_choice("acquisition", self.acquisition, ("ei", "pi", "ucb"))
        as_choice("clip", self.clip, ("regime", "none"))
        as_choice("transform", self.transform, ("none", "log", "rank", "power"))

    def start(self, cube: Cube, capacity: int) -> Hyper:  # noqa: ARG002
        """Return the centre of the prior, where the first fit begins."""
        return Hyper.prior(cube.dimension)

    def suggest(self, cube: Cube, state: KeyedHistory, first: Array, key: Array) -> tuple[Any, Array]:
        """Return a random point at the start, then the maximum of the acquisition function."""
        return jax.lax.cond(
            first < self.startup,
            lambda: (state.memory, random_point(cube, key)),
            lambda: self._most_promising(cube, state, first, key),
        )

    def _most_promising(self, cube: Cube, state: KeyedHistory, first: Array, key: Array) -> tuple[Hyper, Array]:
        history = state.history
        x = jnp.where(history.active, history.u, 0.5)
        y = self._standardised(history.scores, history.told)
        hyper = fit_hyper(cube, state.memory, x, y, history.told, self.steps)
        known = regress(cube, hyper, x, y, history.told)
        # Points that are running make their surroundings certain, and leave the mean as it is.
        running = jnp.arange(len(x)) < first
        spread = regress(cube, hyper, x, jnp.zeros_like(y), running)
        here = cube.here(x)
        at_trials, _ = known.predict(cube, here)
        place = jnp.argmin(jnp.where(history.told, at_trials, jnp.inf))
        return hyper, self._maximise(cube, known, spread, here[place], at_trials[place], key)

    def _standardised(self, scores: Array, told: Array) -> Array:
        """Return the scores with mean 0 and variance 1 where they are told; the others are not looked at."""
        finite = told & jnp.isfinite(scores)
        if self.clip == "regime":
            at_start = finite & (jnp.arange(len(scores)) < self.startup)
            at_start = jnp.where(jnp.any(at_start), at_start, finite)
            worst = jnp.nanmedian(jnp.where(at_start, scores, jnp.nan))
        else:
            worst = jnp.max(jnp.where(finite, scores, -jnp.inf))
        worst = jnp.where(jnp.isfinite(worst), worst, 0.0)
        y = jnp.minimum(jnp.where(finite, scores, worst), worst)
        y = transformed(self.transform, y, told)
        count = jnp.maximum(jnp.sum(told), 1)
        mean = jnp.sum(jnp.where(told, y, 0.0)) / count
        sd = jnp.sqrt(jnp.sum(jnp.where(told, (y - mean) ** 2, 0.0)) / count)
        return (y - mean) / jnp.where(sd > 0, sd, 1.0)

    def _maximise(
        self, cube: Cube, known: Regression, spread: Regression, centre: Array, best: Array, key: Array
    ) -> Array:
        def promise(x: Array) -> Array:
            mean, _ = known.predict(cube, x)
            _, sd = spread.predict(cube, x)
            if self.acquisition == "ucb":
                return confidence_bound(mean, sd, self.width)
            acquisition = {"ei": log_expected_improvement, "pi": log_probability_of_improvement}[self.acquisition]
            return acquisition(mean, sd, best)

        far_key, near_key, value_key = jax.random.split(key, 3)
        far = jax.random.uniform(far_key, (self.candidates, cube.dimension))
        near = centre + _SPREAD * jax.random.normal(near_key, (_NEAR, cube.dimension))
        # Some neighbours differ in single coordinates only.
        moved = jax.random.bernoulli(value_key, 0.5, near.shape)
        x = cube.snap(jnp.concatenate([far, jnp.where(moved, near, centre)]))
        chosen = x[jax.lax.top_k(promise(x), _REFINED)[1]]
        continuous = jnp.asarray(cube.counts) == 0
        slope = jax.grad(lambda x: jnp.sum(promise(x)))

        def climb(carry: tuple[Array, Array], i: Array) -> tuple[tuple[Array, Array], None]:
            x, average = carry
            direction = jnp.where(continuous, slope(x), 0.0)
            direction = direction / jnp.maximum(jnp.linalg.norm(direction, axis=1, keepdims=True), 1e-12)
            average = 0.5 * average + 0.5 * direction
            return (jnp.clip(x + _STEP * 0.85**i * average, 0.0, 1.0), average), None

        (climbed, _), _ = jax.lax.scan(climb, (chosen, jnp.zeros_like(chosen)), jnp.arange(_STEPS))
        both = jnp.concatenate([chosen, climbed])
        return both[jnp.argmax(promise(both))]
