"""The record of an analysis: every number that its sentences, its page and its document have."""

from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from nqjax.analysis.fidelity import FidelityReport
from nqjax.analysis.pages import WithPage
from nqjax.checks.influence import Edge, Influence
from nqjax.landscape.geometry import Geometry
from nqjax.posterior.averaged_fit import AveragedFit
from nqjax.posterior.next_trials import NextTrials
from nqjax.posterior.ranking import RankedTrials, RerunPlan
from nqjax.posterior.stopping import Stopping
from nqjax.surface.surface import ResponseSurface
from nqjax.trials.study import StudyTable

#: Columns of the ranking in the document.
_RANKING = (
    *("index", "score", "rerun", "rerun_low", "rerun_high", "noise_free_low", "noise_free_high"),
    "probability_best",
)


@dataclass(frozen=True, eq=False)
class Analysis(WithPage):
    """Answers about one search.

    Attributes
    ----------
    study : StudyTable
        What was read.
    fit : AveragedFit
        Estimates with intervals, averaged over the threshold.
    ranked : RankedTrials
        The best trials, and what they would score again: by the scores and the surface together, see its ``source``.
    rerun_plan : RerunPlan or None
        Fewest reruns that pick the best of these with probability 0.8; None if 50 of each are too few.
    next_trials : NextTrials
        Gains of the next 1, 10, 50 and 200 trials, with 80 % intervals.
    stopping : Stopping
        Whether the search may stop, see `nqjax.may_stop`.
    influences : tuple of Influence
        What each hyperparameter explains by itself, the largest first.
    geometry : Geometry or None
        Which hyperparameters decide whether a trial is near the optimum, as good as the most probable threshold; None
        where the scores do not tell, or fewer than 10 trials are.
    edges : tuple of Edge
        Ends of the space at which the best trials pile up.
    cautions : tuple of str
        Those of the warnings that speak against the scores themselves, in sentences.
    warnings : tuple of str
        All reasons not to rely on the answers, in sentences.
    sentences : tuple of str
        The answers in plain words. Where the trials seem not to be a random search, those of the surface come first.
    surface : ResponseSurface or None
        The response surface, see `nqjax.fit_surface`; None where it was not asked for or cannot be fitted.
    section : dict
        What the section on the surface says; where there is none, ``"skipped"`` is the reason.
    fidelity : FidelityReport or None
        What partial trainings tell of whole ones, see `nqjax.fidelity_report`; None where there are no learning curves,
        or not those of whole trainings.
    about_fidelity : dict or None
        What the section on partial training says; where there are curves and no report, ``"skipped"`` is the reason.

    Examples
    --------
    >>> import numpy as np
    >>> import nqjax
    >>> rng = np.random.default_rng(0)
    >>> trials = [{"lr": x, "loss": 0.1 + x**2 + 0.01 * rng.normal()} for x in rng.random(48)]
    >>> found = nqjax.analyze(trials, "loss")
    >>> found.fit.interval("best", 0.95)[0] < 0.1 < found.fit.interval("best", 0.95)[1]
    True
    >>> found.influences[0].name
    'lr'
    """

    study: StudyTable
    fit: AveragedFit
    ranked: RankedTrials
    rerun_plan: RerunPlan | None
    next_trials: NextTrials
    stopping: Stopping
    influences: tuple[Influence, ...]
    geometry: Geometry | None
    edges: tuple[Edge, ...]
    cautions: tuple[str, ...] = field(repr=False)
    warnings: tuple[str, ...] = field(repr=False)
    sentences: tuple[str, ...] = ()
    surface: ResponseSurface | None = None
    section: dict[str, Any] = field(default_factory=dict, repr=False)
    fidelity: FidelityReport | None = None
    about_fidelity: dict[str, Any] | None = field(default=None, repr=False)

    def to_dict(self) -> dict[str, Any]:
        """Return all numbers as plain Python objects, for JSON."""
        post, ranked, gains = self.fit.posterior, self.ranked, self.next_trials
        names = ("best", "alpha", "beta", "gamma", "sigma", "regime_probability")
        trials = zip(*(getattr(ranked, name).tolist() for name in _RANKING), strict=True)
        return {
            "source": self.study.source,
            "metric": self.study.metric,
            "minimize": post.minimize,
            "num_scores": post.num_scores,
            "num_failed": self.fit.num_failed,
            "best_score": self.fit.best_score,
            "confidence": post.confidence,
            "tells_parameters": post.tells_parameters,
            "sentences": list(self.sentences),
            "parameters": {
                name: {"estimate": post.estimate(name), **dict(zip(("low", "high"), post.interval(name), strict=True))}
                for name in names
            },
            "trials": [
                {"place": self.study.rows[i], **dict(zip(_RANKING, (i, *rest), strict=True))} for i, *rest in trials
            ],
            "ranked_by": ranked.source,
            "rerun_plan": None if self.rerun_plan is None else self.rerun_plan._asdict(),
            "next_trials": [
                dict(zip(NextTrials._fields, row, strict=True))
                for row in zip(*(np.asarray(column).tolist() for column in gains), strict=True)
            ],
            "stopping": self.stopping._asdict(),
            "influences": [one._asdict() for one in self.influences],
            "geometry": None if self.geometry is None else self.geometry.to_dict(),
            "edges": [asdict(one) for one in self.edges],
            "surface": self.section,
            "fidelity": self.about_fidelity,
            "warnings": list(self.warnings),
            "notes": list(self.study.notes),
        }
