"""Noise-free scores of trials given the observed ones: the winner's curse, and what corrects it.

A trial's score is ``Y = V + noise``. Given the parameters, V has the law of the quadratic and the noise is normal, so
the law of V given Y is known: its density is in proportion to ``(v - alpha)**(gamma/2 - 1) * phi((y - v) / sigma)``.
Draws of the parameters carry their uncertainty.
"""

import numpy as np

from nqjax.posterior.averaged import AveragedPosterior
from nqjax.types import Floats

#: Cells of the grid on which V is drawn, and its reach on both sides of the observed score, in units of sigma.
_CELLS = 128
_REACH = 7.0

#: The same reach where the observed score is better than alpha, in units of the length on which V's density falls.
_FALL = 30.0

#: Draws times trials that are on the grid together.
_TOGETHER = 20_000


def oriented_draws(post: AveragedPosterior, count: int) -> tuple[Floats, Floats, Floats, Floats]:
    """Return at most ``count`` draws of alpha, beta, sigma and gamma, oriented to minimisation, shape (draws,) each."""
    alpha, beta = (post.alpha, post.beta) if post.minimize else (-post.beta, -post.alpha)
    chosen = np.linspace(0, alpha.size - 1, min(count, alpha.size)).astype(int)
    alpha, beta, sigma, gamma = (a.ravel()[chosen] for a in (alpha, beta, post.sigma, post.gamma))
    return alpha, beta, sigma, gamma


def noise_free_draws(
    scores: Floats, alpha: Floats, beta: Floats, sigma: Floats, gamma: Floats, rng: np.random.Generator
) -> Floats:
    """Return a draw of the noise-free score of each trial, for each draw of the parameters.

    Parameters
    ----------
    scores : ndarray, shape (trials,)
        Observed scores, oriented to minimisation.
    alpha, beta, sigma, gamma : ndarray, shape (draws,)
    rng : Generator

    Returns
    -------
    ndarray, shape (draws, trials)
    """
    y = np.broadcast_to(scores, (len(alpha), len(scores))).ravel()
    a, b, s, g = (np.repeat(one, len(scores)) for one in (alpha, beta, sigma, gamma))
    found = np.empty(y.shape)
    for start in range(0, len(y), _TOGETHER):
        some = slice(start, start + _TOGETHER)
        found[some] = _draw(y[some], a[some], b[some], s[some], g[some], rng)
    return found.reshape(len(alpha), len(scores))


def _draw(y: Floats, alpha: Floats, beta: Floats, sigma: Floats, gamma: Floats, rng: np.random.Generator) -> Floats:
    """Return one draw of V for each element, by the inverse of its distribution function on a grid."""
    noise = np.maximum(sigma, 1e-12 * (beta - alpha))
    low = np.clip(y - _REACH * noise, alpha, beta)
    # Where the observed score is better than alpha, V's density falls off within less than sigma.
    beyond = np.maximum(alpha - y, 0.0)
    is_short = beyond * _REACH > _FALL * noise
    reach = np.where(is_short, _FALL * noise * (noise / np.where(is_short, beyond, noise)), _REACH * noise)
    high = np.clip(np.maximum(y, alpha) + reach, alpha, beta)
    places = low[:, None] + (high - low)[:, None] * np.linspace(0, 1, _CELLS + 1)
    # The quadratic's distribution function gives the exact mass of a cell, also where its density is infinite.
    half = gamma[:, None] / 2
    below = np.clip((places - alpha[:, None]) / (beta - alpha)[:, None], 0, 1) ** half
    middle = (places[:, 1:] + places[:, :-1]) / 2
    log_weight = -0.5 * ((y[:, None] - middle) / noise[:, None]) ** 2
    mass = np.diff(below) * np.exp(log_weight - log_weight.max(axis=1, keepdims=True))
    total = np.cumsum(mass, axis=1)
    share = rng.random(len(y)) * total[:, -1]
    cell = np.minimum((total < share[:, None]).sum(axis=1), _CELLS - 1)
    rows = np.arange(len(y))
    inside = np.clip(1 - (total[rows, cell] - share) / np.maximum(mass[rows, cell], 1e-300), 0, 1)
    q = below[rows, cell] + inside * (below[rows, cell + 1] - below[rows, cell])
    v = alpha + (beta - alpha) * q ** (2 / gamma)
    return np.where(total[:, -1] > 0, np.clip(v, low, high), np.clip(y, alpha, beta))
