"""Make HTML pages with pictures inside, so that they need no other file."""

import base64
import io
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nqjax.errors import InputError
from nqjax.plots.style import new_figure
from nqjax.runtime.extras import require
from nqjax.runtime.files import written_whole
from nqjax.runtime.text import as_sure

if TYPE_CHECKING:
    from collections.abc import Callable

    from matplotlib.figure import Figure


#: Pixels an inch of the parts of pictures that are images.
_DPI = 200


def write_page(path: "str | Path", text: str) -> None:
    """Write a page; raise InputError if the file cannot be written."""
    try:
        with written_whole(path) as file:
            file.write(text)
    except OSError as error:
        raise InputError(f"the report cannot be written to {str(path)!r}: {error.strerror or error}") from error


def render(name: str, **values: Any) -> str:
    """Return the HTML that a template makes of some values; texts are escaped."""
    jinja2 = require("jinja2", "report", "the report")
    environment = jinja2.Environment(
        loader=jinja2.FunctionLoader(_template),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["number"] = _number
    environment.globals["as_sure"] = as_sure
    return str(environment.get_template(name).render(**values))


def _template(name: str) -> str:
    return files("nqjax.report").joinpath("templates", name).read_text(encoding="utf-8")


def picture(draw: "Callable[[Figure], object]", size: tuple[float, float] = (6.4, 4.0)) -> str:
    """Draw a picture, and return it as the text of a link."""
    figure = new_figure(size)
    draw(figure)
    return link_to(figure)


def link_to(figure: "Figure") -> str:
    """Return a figure as the text of a link."""
    import matplotlib as mpl

    buffer = io.BytesIO()
    # No date and no random names: the same posterior gives the same page.
    with mpl.rc_context({"svg.hashsalt": "nqjax"}):
        figure.savefig(buffer, format="svg", metadata={"Date": None}, dpi=_DPI)
    return "data:image/svg+xml;base64," + base64.b64encode(buffer.getvalue()).decode()


def versions(*packages: str) -> str:
    """Return the versions of the package and of what it computes with, by default what landscapes need."""
    from importlib.metadata import version

    from nqjax._version import __version__

    return ", ".join([f"nqjax {__version__}", *(f"{name} {version(name)}" for name in packages or ("numpy", "scipy"))])


def _number(value: float | None, digits: int = 5) -> str:
    return "–" if value is None else f"{value:.{digits}g}"
