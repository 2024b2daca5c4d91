"""Run whole random hyperparameter searches as populations that train side by side.

>>> import jax
>>> from nqjax import search
>>> trials = search.run(search.load("digits-mlp"), num_trials=1024, key=jax.random.key(0), out="trials.jsonl")
>>> nqjax.fit(trials.scores, limits=(-math.inf, 0.085))
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
