"""Pictures, one function each, drawn on Matplotlib's axes.

Each takes what a question was answered with, such as a fit, a region, a posterior or an analysis, and returns the axes
with what it drew on them. Without ``ax`` it makes a figure of its own; pyplot is not needed, and its state not touched.

>>> import numpy as np
>>> import nqjax
>>> scores = np.random.default_rng(0).random(48) ** 2
>>> drawn = nqjax.plots.tuning_curve(nqjax.fit(scores), name="loss")
>>> drawn.ax.get_ylabel(), sorted(drawn.artists)[:2]
('median of the best loss', ['50 % band', 'band'])
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
