"""Write the HTML page of a posterior that is averaged over the threshold."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nqjax.report.averaged import in_words
from nqjax.report.html import render, write_page
from nqjax.report.tables import meanings

if TYPE_CHECKING:
    from collections.abc import Mapping

    from nqjax.posterior.averaged import AveragedPosterior
    from nqjax.report.documents import AveragedDocument

#: Entries of the document from which the posterior can be computed again.
_REPRODUCTION = ("command", "file", "metric", "minimize", "method", "rounding", "seed", "noise")


def save_averaged_page(
    path: "str | Path", post: "AveragedPosterior", document: "AveragedDocument", command: str | None = None
) -> None:
    """Write the page of an averaged posterior and its document.

    Raises
    ------
    InputError
        Matplotlib or Jinja2 is missing, or the file cannot be written.
    """
    write_page(path, averaged_page(post, document, command))


def averaged_page(post: "AveragedPosterior", document: "AveragedDocument", command: str | None = None) -> str:
    """Return the HTML of the page."""
    from nqjax.plots import best, curve, gammas, path
    from nqjax.report.hover import scores as hover
    from nqjax.report.hover.picture import picture_with_values as show

    found: Mapping[str, Any] = {**document, "command": command, "seed": post.seed}
    name = document["metric"]
    pictures = {
        "best": show(lambda f: best.best_score(post, name=name, ax=f.subplots()), hover.bar_areas(f"best {name}")),
        "gamma": show(lambda f: gammas.gamma(post, ax=f.subplots()), hover.bar_areas("gamma")),
        "thresholds": show(
            lambda f: path.draw_probabilities(f.subplots(), post, name), hover.threshold_areas(post, name)
        ),
        "curve": show(
            lambda f: curve.tuning_curve(post, name=name, ax=f.subplots()), hover.curve_areas(name, post.confidence)
        ),
    }
    return render(
        "averaged.html",
        d=document,
        meanings=meanings(document["minimize"]),
        thresholds=in_words(found),
        pictures=pictures,
        raw=json.dumps({key: found[key] for key in _REPRODUCTION if found[key] is not None}, indent=2),
    )
