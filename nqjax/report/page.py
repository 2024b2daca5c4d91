"""HTML page of a posterior, with its pictures inside, so that it needs no other file."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nqjax.errors import InputError
from nqjax.report.documents import PosteriorDocument
from nqjax.report.head import head_of
from nqjax.report.html import picture, render, write_page
from nqjax.runtime.extras import require
from nqjax.runtime.files import check_writable

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from nqjax.analysis.pages import WithPage
    from nqjax.confidence.region import Answer
    from nqjax.landscape.landscape import Landscape
    from nqjax.posterior.comparison import Comparable
    from nqjax.posterior.posterior import Posterior
    from nqjax.surface.surface import ResponseSurface


#: Entries of the document from which the posterior can be computed again.
_REPRODUCTION = ("command", "file", "metric", "minimize", "threshold", "regime", "limits", "settings", "versions")


_GREEN = "good"
_AMBER = "fair"
_RED = "poor"


def check_page(path: "str | Path") -> None:
    """Raise InputError if a page cannot be made there, before any work is done."""
    if not str(path).lower().endswith((".html", ".htm")):
        raise InputError(f"the report is an HTML page: give {str(path)!r} the ending .html")
    if not Path(path).resolve().parent.is_dir():
        raise InputError(f"there is no folder {str(Path(path).parent)!r} for the report")
    require("matplotlib", "report", "the report")
    require("jinja2", "report", "the report")
    check_writable(path)


def save_report(
    path: "str | Path",
    post: "Answer | Comparable | Landscape | ResponseSurface | WithPage",
    *,
    name: str = "score",
    trials: "Sequence[float]" = (1, 10, 100, 1000),
    threshold: float | None = None,
) -> None:
    """Write a posterior, an analysis, a surface or a landscape as one HTML page to read, as ``--report`` does.

    Parameters
    ----------
    path : str or Path
        An .html file, which needs no other file.
    post : AveragedFit, AveragedPosterior, Posterior, Analysis, StudyComparison, ResponseSurface or Landscape
    name : str
        The score's name; analyses have it.
    trials : sequence of float
        Numbers of trials for the table of the tuning curve of a posterior.
    threshold : float, optional
        The worst score of the regime of a landscape.

    Raises
    ------
    InputError
        Another ending, a missing folder, a file that cannot be written, or Matplotlib or Jinja2 is missing.

    Examples
    --------
    >>> import pathlib
    >>> import tempfile
    >>> import jax
    >>> import numpy as np
    >>> import nqjax
    >>> scores = np.random.default_rng(0).random(48) ** 2
    >>> post = nqjax.sample_posterior(scores, limits=(-np.inf, 0.7), key=jax.random.key(0), method="quadrature")
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     nqjax.save_report(f"{folder}/posterior.html", post, name="loss")
    ...     "Posterior of loss" in pathlib.Path(folder, "posterior.html").read_text()
    True
    """
    check_page(path)
    # JAX is not needed to check the path, nor for a landscape.
    from nqjax.landscape.landscape import Landscape

    if isinstance(post, Landscape):
        from nqjax.report.landscape_page import save_landscape

        return save_landscape(path, post, name, threshold)
    from nqjax.surface.surface import ResponseSurface

    if isinstance(post, ResponseSurface):
        from nqjax.report.surface_page import save_fitted_surface

        return save_fitted_surface(path, post, name)
    from nqjax.analysis.record import Analysis
    from nqjax.analysis.study_comparison import StudyComparison
    from nqjax.confidence.region import region_behind
    from nqjax.posterior.averaged import AveragedPosterior

    if isinstance(post, Analysis):
        from nqjax.report.analysis import save_analysis

        return save_analysis(path, post)
    if isinstance(post, StudyComparison):
        from nqjax.report.studies import save_comparison

        return save_comparison(path, post)
    given: Any = region_behind(post)
    losing = given.limits[1] if given.minimize else given.limits[0]
    head = head_of(None, name, given.minimize, losing, given.study.scores)
    if isinstance(given, AveragedPosterior):
        from nqjax.report.averaged import averaged_document
        from nqjax.report.averaged_page import save_averaged_page

        return save_averaged_page(path, given, averaged_document(given, given.study.scores, head=head, trials=trials))
    from nqjax.report.posterior import posterior_document

    return save_page(path, given, posterior_document(given, head=head, trials=trials))


def save_page(path: "str | Path", post: "Posterior", document: PosteriorDocument) -> None:
    """Write the page of a posterior and its document.

    Raises
    ------
    InputError
        Matplotlib is missing, or the file cannot be written.
    """
    write_page(path, page(post, document))


def page(post: "Posterior", document: PosteriorDocument) -> str:
    """Return the HTML of the page."""
    from nqjax.plots import best, checks, curve, gammas
    from nqjax.report.posterior import in_words

    found: Mapping[str, Any] = document  # to take entries by name
    name = document["metric"]
    pictures = {
        "best": picture(lambda f: best.best_score(post, name=name, ax=f.subplots())),
        "gamma": picture(lambda f: gammas.gamma(post, ax=f.subplots())),
        "curve": picture(lambda f: curve.tuning_curve(post, name=name, ax=f.subplots())),
        "check": picture(lambda f: checks.draw_check(f.subplots(), post, name)),
        "priors": picture(lambda f: checks.draw_priors(f, post), (9.6, 3.6)),
    }
    bounds = document["settings"]["bounds"]
    return render(
        "posterior.html",
        d=document,
        bounded=bounds["sigma"] != [0.0, None] or any(end is not None for end in bounds["alpha"] + bounds["beta"]),
        sentences=in_words(document),
        pictures=pictures,
        lights=_lights(document),
        raw=json.dumps({key: found[key] for key in _REPRODUCTION if (key, found[key]) != ("command", None)}, indent=2),
    )


def _lights(document: PosteriorDocument) -> list[dict[str, str]]:
    """Return the diagnostics as traffic lights, each with what was found and what is wanted."""
    from nqjax.posterior.diagnostics import LEAST_ACCEPTANCE, LEAST_ESS, MOST_ERROR, MOST_LOSS, MOST_RHAT

    found = document["diagnostics"]
    # A diagnostic that cannot be computed counts as the worst.
    rhats, sizes = [*found["rhat"].values()], [*found["ess_bulk"].values(), *found["ess_tail"].values()]
    rhat, ess = None if None in rhats else max(rhats), None if None in sizes else min(sizes)
    lights = [
        _light("R-hat, the largest", rhat, f"at most {MOST_RHAT}", [MOST_RHAT, 1.05], "{:.3f}"),
        _light("effective draws, the fewest", ess, f"at least {LEAST_ESS}", [-LEAST_ESS, -LEAST_ESS / 4], "{:,.0f}"),
        _light("error of P(gamma)", found["quadrature_error"], f"at most {MOST_ERROR}", [MOST_ERROR, 0.05], "{:.1g}"),
        _light(
            "error of the log evidence", found["evidence_error"], f"at most {MOST_LOSS}", [MOST_LOSS, 1.0], "{:.1g}"
        ),
    ]
    if found["acceptance"] is None:
        return [*lights, _light("divergent transitions", found["num_divergent"], "none", [0, 5], "{:,}")]
    wanted = f"at least {LEAST_ACCEPTANCE}"
    ends = [-LEAST_ACCEPTANCE, -LEAST_ACCEPTANCE / 2]
    return [*lights, _light("share of the quadrature's draws accepted", found["acceptance"], wanted, ends, "{:.2f}")]


def _light(name: str, value: float | None, wanted: str, ends: "list[float]", form: str) -> dict[str, str]:
    """Return one light: green up to ``ends[0]``, amber up to ``ends[1]``.

    If ``ends[0]`` is negative, the value is negated first, so larger is better.
    """
    if value is None:
        return {"name": name, "value": "–", "wanted": wanted, "state": _RED}
    place = -value if ends[0] < 0 else value
    state = _GREEN if place <= ends[0] else _AMBER if place <= ends[1] else _RED
    return {"name": name, "value": form.format(value), "wanted": wanted, "state": state}
