"""The posterior as one page that needs nothing else: HTML with its pictures inside."""

import base64
import io
import json
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nqjax.errors import InputError
from nqjax.plots.style import new_figure
from nqjax.posterior.diagnostics import LEAST_ACCEPTANCE, LEAST_ESS, MOST_ERROR, MOST_LOSS, MOST_RHAT
from nqjax.report.posterior import in_words
from nqjax.runtime.files import written_whole

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from matplotlib.figure import Figure

    from nqjax.posterior.posterior import Posterior


#: Of the document, what makes the posterior again.
_RAW = ("command", "file", "metric", "minimize", "threshold", "regime", "limits", "settings", "versions")


_GREEN, _AMBER, _RED = "good", "fair", "poor"


def check_page(path: "str | Path") -> None:
    """Raise InputError if a page cannot be made there, before any work is done."""
    if not str(path).lower().endswith((".html", ".htm")):
        raise InputError(f"the report is a page: give {str(path)!r} the ending .html")
    if not Path(path).resolve().parent.is_dir():
        raise InputError(f"there is no folder {str(Path(path).parent)!r} for the report")
    new_figure()


def save_page(path: "str | Path", post: "Posterior", document: "Mapping[str, Any]") -> None:
    """Write the page.

    Raises
    ------
    InputError
        Matplotlib is missing, or the file cannot be written.
    """
    text = page(post, document)
    try:
        with written_whole(path) as file:
            file.write(text)
    except OSError as error:
        raise InputError(f"the report cannot be written to {str(path)!r}: {error.strerror or error}") from error


def page(post: "Posterior", document: "Mapping[str, Any]") -> str:
    """The page's HTML."""
    import jinja2

    from nqjax.plots import posterior as plots

    name = document["metric"]
    pictures = {
        "best": _picture(lambda f: plots.draw_best(f.subplots(), post, name)),
        "gamma": _picture(lambda f: plots.draw_gamma(f.subplots(), post)),
        "curve": _picture(lambda f: plots.draw_curve(f.subplots(), post, name)),
        "check": _picture(lambda f: plots.draw_check(f.subplots(), post, name)),
        "priors": _picture(lambda f: plots.draw_priors(f, post), (9.6, 3.6)),
    }
    environment = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters["number"] = _number
    template = environment.from_string(
        files("nqjax.report").joinpath("templates/posterior.html").read_text(encoding="utf-8")
    )
    bounds = document["settings"]["bounds"]
    return template.render(
        d=document,
        bounded=bounds["sigma"] != [0.0, None] or any(end is not None for end in bounds["alpha"] + bounds["beta"]),
        sentences=in_words(document),
        pictures=pictures,
        lights=_lights(document),
        raw=json.dumps({key: document[key] for key in _RAW if key in document}, indent=2),
    )


def _picture(draw: "Callable[[Figure], object]", size: tuple[float, float] = (6.4, 4.0)) -> str:
    """A picture as the text of a link."""
    import matplotlib as mpl

    figure = new_figure(size)
    draw(figure)
    buffer = io.BytesIO()
    # No date, and no names by chance: the same posterior gives the same page.
    with mpl.rc_context({"svg.hashsalt": "nqjax"}):
        figure.savefig(buffer, format="svg", metadata={"Date": None})
    return "data:image/svg+xml;base64," + base64.b64encode(buffer.getvalue()).decode()


def _number(value: float | None, digits: int = 5) -> str:
    return "–" if value is None else f"{value:.{digits}g}"


def _lights(document: "Mapping[str, Any]") -> list[dict[str, str]]:
    """The diagnostics as traffic lights: what was found, and what is wanted."""
    found = document["diagnostics"]
    # One that cannot be computed is as bad as can be.
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
    """One light: good up to the first end, fair up to the second; negative ends are least values."""
    if value is None:
        return {"name": name, "value": "–", "wanted": wanted, "state": _RED}
    place = -value if ends[0] < 0 else value
    state = _GREEN if place <= ends[0] else _AMBER if place <= ends[1] else _RED
    return {"name": name, "value": form.format(value), "wanted": wanted, "state": state}
