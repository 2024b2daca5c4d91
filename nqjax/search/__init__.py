"""Random and grid searches whose trials train side by side, in populations.

`run` trains the trials of a `Task`, such as one of the reference searches that `load` returns, and returns the table
of `Trials`::

    task = nqjax.search.load("digits-mlp")
    trials = nqjax.search.run(task, num_trials=1024, key=jax.random.key(0), out="trials.jsonl")
    fit = nqjax.fit(trials.scores, limits=(-math.inf, 0.085))
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
