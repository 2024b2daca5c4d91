"""Statistics of hyperparameter search in JAX: fit the noisy quadratic distribution to the scores of a random search.

>>> import numpy as np
>>> import nqjax
>>> scores = 0.1 + 0.05 * np.linspace(0, 1, 50)
>>> fit = nqjax.fit(scores, gamma=(1, 5))
>>> round(fit.alpha, 2), round(fit.gamma)
(0.1, 2)
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
