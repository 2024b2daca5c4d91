"""Statistics of hyperparameter search in JAX: fit the noisy quadratic distribution to the scores of a random search.

>>> import nqjax
>>> fit = nqjax.fit(scores, limits=(-math.inf, 0.11), minimize=True, gamma=(1, 5))
>>> fit.alpha, fit.gamma, fit.sigma
"""

from importlib import import_module
from typing import TYPE_CHECKING

from nqjax._version import __version__ as __version__
from nqjax.errors import InputError as InputError

if TYPE_CHECKING:
    from nqjax._plot_posterior import plot_posterior as plot_posterior
    from nqjax._pooling import NoisePooling as NoisePooling
    from nqjax.bands import Bands as Bands
    from nqjax.bands import confidence_bands as confidence_bands
    from nqjax.comparison import Comparison as Comparison
    from nqjax.comparison import compare as compare
    from nqjax.confidence import confidence_region as confidence_region
    from nqjax.consonance import ConsonanceRegion as ConsonanceRegion
    from nqjax.consonance import consonance_region as consonance_region
    from nqjax.distributions import NoisyQuadratic as NoisyQuadratic
    from nqjax.distributions import Quadratic as Quadratic
    from nqjax.empirical import Empirical as Empirical
    from nqjax.estimate import Fit as Fit
    from nqjax.estimate import fit as fit
    from nqjax.functional import fit_arrays as fit_arrays
    from nqjax.goodness import GoodnessOfFit as GoodnessOfFit
    from nqjax.goodness import goodness_of_fit as goodness_of_fit
    from nqjax.many import Failure as Failure
    from nqjax.many import Fits as Fits
    from nqjax.many import fit_many as fit_many
    from nqjax.model import posterior_model as posterior_model
    from nqjax.noise import NoiseDiagnostics as NoiseDiagnostics
    from nqjax.noise import noise_diagnostics as noise_diagnostics
    from nqjax.planning import required_trials as required_trials
    from nqjax.plot import plot_noise as plot_noise
    from nqjax.plot import plot_regime as plot_regime
    from nqjax.plot import plot_tuning_curve as plot_tuning_curve
    from nqjax.posterior import Posterior as Posterior
    from nqjax.posterior import SamplingWarning as SamplingWarning
    from nqjax.priors import Prior as Prior
    from nqjax.profile import ProfileRegion as ProfileRegion
    from nqjax.profile import profile_region as profile_region
    from nqjax.regime import Regime as Regime
    from nqjax.regime import find_regime as find_regime
    from nqjax.region import Region as Region
    from nqjax.resampling import Bootstrap as Bootstrap
    from nqjax.resampling import bootstrap as bootstrap
    from nqjax.sampling import sample_posterior as sample_posterior
    from nqjax.sampling import sample_posterior_many as sample_posterior_many
    from nqjax.shared import SharedPosterior as SharedPosterior
    from nqjax.shared import sample_posterior_shared as sample_posterior_shared
    from nqjax.spacing import quantile_limits as quantile_limits

# Imported at first use, so that `nqjax --help` and a mistake on the command line do not wait for JAX.
_HOME = {
    "Bands": "bands",
    "ConsonanceRegion": "consonance",
    "GoodnessOfFit": "goodness",
    "ProfileRegion": "profile",
    "Regime": "regime",
    "Region": "region",
    "confidence_region": "confidence",
    "find_regime": "regime",
    "goodness_of_fit": "goodness",
    "profile_region": "profile",
    "Empirical": "empirical",
    "confidence_bands": "bands",
    "consonance_region": "consonance",
    "Comparison": "comparison",
    "NoisePooling": "_pooling",
    "Posterior": "posterior",
    "SharedPosterior": "shared",
    "sample_posterior_shared": "shared",
    "compare": "comparison",
    "Prior": "priors",
    "SamplingWarning": "posterior",
    "posterior_model": "model",
    "sample_posterior": "sampling",
    "sample_posterior_many": "sampling",
    "Bootstrap": "resampling",
    "Failure": "many",
    "Fit": "estimate",
    "Fits": "many",
    "NoiseDiagnostics": "noise",
    "NoisyQuadratic": "distributions",
    "Quadratic": "distributions",
    "bootstrap": "resampling",
    "fit": "estimate",
    "fit_arrays": "functional",
    "fit_many": "many",
    "noise_diagnostics": "noise",
    "plot_noise": "plot",
    "plot_posterior": "_plot_posterior",
    "plot_regime": "plot",
    "plot_tuning_curve": "plot",
    "quantile_limits": "spacing",
    "required_trials": "planning",
}
__all__ = ["InputError", "__version__", *_HOME]  # noqa: PLE0604


def __getattr__(name: str) -> object:
    if name == "search":  # a package of its own, with Flax and Optax
        return import_module(f"{__name__}.search")
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return __all__
