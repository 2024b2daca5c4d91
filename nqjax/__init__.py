"""Statistics of hyperparameter search in JAX: fit the noisy quadratic distribution to the scores of a random search.

>>> import nqjax
>>> fit = nqjax.fit(scores, limits=(-math.inf, 0.11), minimize=True, gamma=(1, 5))
>>> fit.alpha, fit.gamma, fit.sigma
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
