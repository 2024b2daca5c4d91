"""Notebooks: how they are run, and what a cell has printed and drawn."""

import os
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from nbformat import NotebookNode

import nqjax

FOLDER = Path(__file__).parents[2] / "notebooks"


def read(path: Path) -> NotebookNode:
    return nbformat.read(path, as_version=4)


def run(kept: NotebookNode, **variables: str) -> NotebookNode:
    """Run a notebook from top to bottom, as a reader does: in its own folder, with the figures inline."""
    environment = {name: value for name, value in os.environ.items() if name != "MPLBACKEND"}
    path = [str(Path(nqjax.__file__).parents[1]), environment.get("PYTHONPATH", "")]
    environment["PYTHONPATH"] = os.pathsep.join(filter(None, path))  # the package under test, installed or not
    notebook = nbformat.from_dict(kept)
    for cell in code_cells(notebook):
        cell.outputs, cell.execution_count = [], None
    # A cell that raises is kept in the outputs, so that the test can show it.
    client = NotebookClient(notebook, timeout=300, allow_errors=True, resources={"metadata": {"path": str(FOLDER)}})
    return client.execute(env=environment | variables)


def code_cells(notebook: NotebookNode) -> list[NotebookNode]:
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def printed(cell: NotebookNode) -> str:
    return "".join(o.text for o in cell.outputs if o.output_type == "stream" and o.name == "stdout")


def complaints(notebook: NotebookNode) -> list[str]:
    """Return everything that the cells wrote to their standard error."""
    streams = [o for c in code_cells(notebook) for o in c.outputs if o.output_type == "stream"]
    return [o.text for o in streams if o.name == "stderr"]


def figures(cell: NotebookNode) -> int:
    return sum("image/png" in o.get("data", {}) for o in cell.outputs)


def errors(notebook: NotebookNode) -> list[str]:
    return [f"{o.ename}: {o.evalue}" for c in code_cells(notebook) for o in c.outputs if o.output_type == "error"]
