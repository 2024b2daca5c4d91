"""Run whole random hyperparameter searches as populations that train side by side.

>>> import jax
>>> from nqjax import search
>>> trials = search.run(search.load("digits-mlp"), num_trials=1024, key=jax.random.key(0), out="trials.jsonl")
>>> nqjax.fit(trials.scores, limits=(-math.inf, 0.07))
"""

from nqjax.search.runner import run as run
from nqjax.search.sources import Arrays as Arrays
from nqjax.search.sources import Stream as Stream
from nqjax.search.space import Choice as Choice
from nqjax.search.space import Derived as Derived
from nqjax.search.space import DiscreteUniform as DiscreteUniform
from nqjax.search.space import Fixed as Fixed
from nqjax.search.space import LogUniform as LogUniform
from nqjax.search.space import Uniform as Uniform
from nqjax.search.space import When as When
from nqjax.search.table import Trials as Trials
from nqjax.search.table import read_trials as read_trials
from nqjax.search.task import Task as Task
from nqjax.search.tasks import load as load
