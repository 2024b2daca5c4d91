"""Settings of the documentation: `sphinx-build -W docs FOLDER`, after `pip install '.[docs]'`. No network is needed."""

import importlib.metadata
import re
import sys
from pathlib import Path

DOCS = Path(__file__).parent
ROOT = DOCS.parent
MADE = DOCS / "_made"  # what a build writes besides its site; ignored by Git
sys.path.insert(0, str(DOCS))

import pictures  # noqa: E402 - it lies next to this file

project = "nqjax"
author = copyright = "The nqjax authors"  # noqa: A001 - Sphinx's name
version = release = importlib.metadata.version("nqjax")

extensions = ["myst_nb", "sphinx.ext.autodoc", "sphinx.ext.autosummary", "numpydoc"]
exclude_patterns = ["_build"]
default_role = "autolink"  # names in docstrings are links, where they are public
html_theme = "furo"
html_title = "nqjax"
html_show_sphinx = False
html_copy_source = False
pygments_style = "friendly"

# Notebooks are shown as they are kept; the tests run them and compare.
nb_execution_mode = "off"
myst_enable_extensions = ["colon_fence"]
myst_heading_anchors = 3

# The pages of single objects are written at each build, from the lists in api.md.
autosummary_generate = True
autodoc_typehints = "none"  # the docstrings have the types
autodoc_member_order = "bysource"
autodoc_class_signature = "mixed"
autodoc_default_options = {"members": True, "show-inheritance": False}
numpydoc_show_class_members = False  # autodoc lists them
numpydoc_class_members_toctree = False

#: Links of texts that are kept elsewhere in the repository, as they are from the folder of their copies.
_LINKS = ((r"\]\((?:\.\./)?docs/", "](../"), (r"\]\((?:\.\./)?README\.md", "](../index.md"))


def _copied(text: str, up: str = "") -> str:
    """Return a text with the links of its copy, which is in the folder of copies, or below it."""
    for pattern, link in _LINKS:
        text = re.sub(pattern, link.replace("../", f"{up}../"), text)
    return text


def _written(path: Path, text: str) -> None:
    """Write a text, unless the file has it already: then Sphinx need not read it again."""
    path.parent.mkdir(exist_ok=True, parents=True)
    if not path.exists() or path.read_text(encoding="utf-8") != text:
        path.write_text(text, encoding="utf-8")


def _prepare(app: object) -> None:
    """Copy what the site shows of other folders, and draw the gallery."""
    _written(MADE / "benchmarks.md", _copied((ROOT / "bench" / "RESULTS.md").read_text(encoding="utf-8")))
    _written(MADE / "changelog.md", _copied((ROOT / "CHANGELOG.md").read_text(encoding="utf-8")))
    for notebook in (ROOT / "notebooks").glob("*.ipynb"):
        text = _copied(notebook.read_text(encoding="utf-8"), up="../")
        _written(MADE / "notebooks" / notebook.name, text)
    for script in (ROOT / "notebooks" / "data").glob("*.py"):  # a notebook has a link to it
        _written(MADE / "notebooks" / "data" / script.name, script.read_text(encoding="utf-8"))
    pictures.draw(MADE / "pictures")


def setup(app: object) -> None:
    """Prepare the pages before Sphinx looks for them."""
    app.connect("builder-inited", _prepare)  # type: ignore[attr-defined]
