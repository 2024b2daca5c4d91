"""Statistics of hyperparameter search in JAX: fit the noisy quadratic distribution to the scores of a random search.

>>> import nqjax
>>> fit = nqjax.fit(scores, limits=(-math.inf, 0.11), minimize=True, gamma=(1, 5))
>>> fit.alpha, fit.gamma, fit.sigma
"""

from nqjax._version import __version__ as __version__
from nqjax.distributions import NoisyQuadratic as NoisyQuadratic
from nqjax.distributions import Quadratic as Quadratic
from nqjax.errors import InputError as InputError
from nqjax.estimate import Fit as Fit
from nqjax.estimate import fit as fit

__all__ = ["Fit", "InputError", "NoisyQuadratic", "Quadratic", "__version__", "fit"]
