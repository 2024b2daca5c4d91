"""Parts that all pictures share: the reading of what they are given, what they return, and common labels."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from nqjax.analysis.record import Analysis
from nqjax.confidence.bands import Bands
from nqjax.confidence.bootstrap import Bootstrap
from nqjax.confidence.region import region_behind
from nqjax.confidence.slices import SlicedRegion
from nqjax.errors import InputError
from nqjax.estimation.fit import Fit
from nqjax.inputs import as_scores
from nqjax.plots.style import DARK, new_figure
from nqjax.posterior.averaged import AveragedPosterior
from nqjax.posterior.posterior import Posterior
from nqjax.types import Floats

if TYPE_CHECKING:
    from matplotlib.axes import Axes


class Subject(NamedTuple):
    """The subject of a picture: a result, the scores that it is of, and their name."""

    result: Any
    scores: Floats | None  # None where the result does not hold them and none were given
    name: str

    @property
    def minimize(self) -> bool:
        """Whether lower scores are better."""
        return bool(self.result.minimize)

    @property
    def fit(self) -> Any:
        """The fit of one threshold; None for a result without one."""
        if isinstance(self.result, Bootstrap | SlicedRegion):
            return self.result.fit  # type: ignore[union-attr]
        return self.result if isinstance(self.result, Fit) else None

    @property
    def has_draws(self) -> bool:
        """Whether the result is draws of all parameters: of a posterior, or of refits."""
        return isinstance(self.result, AveragedPosterior | Posterior | Bootstrap)


def subject(given: Any, scores: ArrayLike | None = None, name: str | None = None) -> Subject:
    """Return what a picture is about, whichever kind of result was given."""
    if isinstance(given, Analysis):
        return Subject(given.fit.posterior, given.fit.posterior.study.scores, name or given.study.metric)
    result = region_behind(given)
    known = _scores_of(result) if scores is None else as_scores(scores)
    return Subject(result, known, name or "score")


def _scores_of(result: Any) -> Floats | None:
    if isinstance(result, Bands):
        return result.point.scores
    if isinstance(result, AveragedPosterior | Posterior | Bootstrap | SlicedRegion):
        return result.study.scores
    return None


def cannot_draw(picture: str, given: Any, wanted: str) -> InputError:
    """Return the error for a kind of result that a picture cannot show."""
    kind = type(given).__name__
    article = "an" if kind[:1].lower() in "aeiou" else "a"
    return InputError(f"nqjax.plots.{picture} cannot draw {article} {kind}: give {wanted}")


def need_scores(about: Subject) -> Floats:
    """Return the scores; raise InputError where there are none."""
    if about.scores is None:
        raise InputError("scores is missing: give the scores that were fitted")
    return about.scores


def one_axes(ax: "Axes | None") -> "Axes":
    """Return the axes to draw on: those given, or those of a new figure."""
    return new_figure().subplots() if ax is None else ax


def several_axes(ax: "Sequence[Axes] | None", wanted: int) -> "tuple[Axes, ...]":
    """Return the given axes as a tuple; raise InputError unless there are as many as the picture has parts."""
    found = tuple(np.ravel(np.array(ax, dtype=object)))
    if len(found) != wanted:
        raise InputError(f"this picture has {wanted} part{'s' * (wanted != 1)}, and ax {len(found)}: give as many axes")
    return found


def say_number(ax: "Axes", num_scores: int, num_failed: int = 0, words: str = "") -> None:
    """Write the number of trials, or of what the words say, above the axes at the right."""
    failed = f", {num_failed:,} failed" if num_failed else ""
    ax.set_title(f"n = {num_scores:,}{' ' * bool(words)}{words}{failed}", loc="right", fontsize="small", color=DARK)


def say_number_of(ax: "Axes", about: Subject) -> None:
    """Write the number of trials of a result above the axes."""
    if about.scores is None:
        say_number(ax, about.result.num_scores, getattr(about.result, "num_failed", 0))
    else:
        say_number(ax, len(about.scores), int(np.sum(~np.isfinite(about.scores))))


def legend(ax: "Axes") -> None:
    """Draw the legend, if there is anything to explain."""
    if ax.get_legend_handles_labels()[0]:
        ax.legend(framealpha=0.8, edgecolor="none", fontsize="small")


def losing_end(limits: tuple[float, float], minimize: bool) -> float:
    """Return the threshold of a regime; infinite where it has none."""
    return limits[1] if minimize else limits[0]
