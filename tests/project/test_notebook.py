"""The quickstart notebook: it runs, and the output that is kept with it is what a fresh run gives."""

import os
import re
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient
from nbformat import NotebookNode

import nqjax

NOTEBOOK = Path(__file__).parents[2] / "notebooks" / "01_quickstart.ipynb"
_REFRESH = (
    f"run `jupyter nbconvert --to notebook --execute --inplace --ExecutePreprocessor.record_timing=False "
    f"notebooks/{NOTEBOOK.name}` and look at what changed"
)
_NUMBER = re.compile(r"(?<![\w.])[-+]?\d[\d,]*(?:\.\d+)?(?:e[-+]?\d+)?")
_ABSOLUTE_PATH = re.compile(r"(?<![\w./:<])(?:~?/[\w.-]+/|[A-Za-z]:\\|file://)")


@pytest.fixture(scope="module")
def kept() -> NotebookNode:
    return nbformat.read(NOTEBOOK, as_version=4)


@pytest.fixture(scope="module")
def fresh(kept: NotebookNode) -> NotebookNode:
    """Run the notebook once, as a reader does: in its own folder, with the figures inline."""
    environment = {name: value for name, value in os.environ.items() if name != "MPLBACKEND"}
    path = [str(Path(nqjax.__file__).parents[1]), environment.get("PYTHONPATH", "")]
    environment["PYTHONPATH"] = os.pathsep.join(filter(None, path))  # the package under test, installed or not
    notebook = nbformat.from_dict(kept)
    for cell in code_cells(notebook):
        cell.outputs, cell.execution_count = [], None
    # A cell that raises is kept in the outputs, so that the test can show it.
    client = NotebookClient(
        notebook, timeout=300, allow_errors=True, resources={"metadata": {"path": str(NOTEBOOK.parent)}}
    )
    return client.execute(env=environment)


def code_cells(notebook: NotebookNode) -> list[NotebookNode]:
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def printed(cell: NotebookNode) -> str:
    return "".join(o.text for o in cell.outputs if o.output_type == "stream" and o.name == "stdout")


def figures(cell: NotebookNode) -> int:
    return sum("image/png" in o.get("data", {}) for o in cell.outputs)


def errors(notebook: NotebookNode) -> list[str]:
    return [f"{o.ename}: {o.evalue}" for c in code_cells(notebook) for o in c.outputs if o.output_type == "error"]


def parameters(notebook: NotebookNode) -> list[tuple[str, str]]:
    """Every parameter that is printed as ``name = value``, in order."""
    text = "\n".join(map(printed, code_cells(notebook)))
    return re.findall(r"^(alpha|beta|gamma|sigma) += (\S+)$", text, flags=re.MULTILINE)


def test_the_kept_notebook_is_complete(kept: NotebookNode) -> None:
    cells = code_cells(kept)
    counts = [cell.execution_count for cell in cells]
    assert counts == list(range(1, len(cells) + 1)), f"not one run from top to bottom: {_REFRESH}"
    assert errors(kept) == []
    assert [o for c in cells for o in c.outputs if o.output_type == "stream" and o.name == "stderr"] == []
    assert sum(map(figures, cells)) >= 4
    assert kept.metadata.kernelspec.name == "python3"
    assert NOTEBOOK.stat().st_size < 400_000


def test_the_kept_notebook_names_no_place_on_a_machine(kept: NotebookNode) -> None:
    for cell in kept.cells:
        texts = [cell.source]
        for output in cell.get("outputs", []):
            texts += [output.get("text", ""), *output.get("traceback", [])]
            texts += [str(value) for kind, value in output.get("data", {}).items() if not kind.startswith("image/png")]
        for text in texts:
            assert not _ABSOLUTE_PATH.search(text), text


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("/home/someone/x.csv", True),
        ("in '/home/me/x'", True),
        ("~/x/y", True),
        ("C:\\x", True),
        ("file:///x", True),
        ("digits_mlp.csv", False),
        ("1 / 2, a/b/c, (1 - i / N)**n", False),
        ("https://arxiv.org/abs/2510.02721", False),
    ],
)
def test_absolute_paths_are_recognised(text: str, found: bool) -> None:
    assert bool(_ABSOLUTE_PATH.search(text)) is found


def test_the_notebook_runs(fresh: NotebookNode) -> None:
    assert errors(fresh) == []


def test_the_kept_output_is_what_a_fresh_run_gives(kept: NotebookNode, fresh: NotebookNode) -> None:
    assert len(parameters(kept)) == 8  # two fits
    assert parameters(kept) == parameters(fresh), _REFRESH
    for old, new in zip(code_cells(kept), code_cells(fresh), strict=True):
        assert figures(old) == figures(new), _REFRESH
        # Everything else that is printed, numbers to one in the last digit that another CPU or release may round away.
        assert _NUMBER.sub("0", printed(old)).split() == _NUMBER.sub("0", printed(new)).split(), _REFRESH
        for a, b in zip(_NUMBER.findall(printed(old)), _NUMBER.findall(printed(new)), strict=True):
            last_digit = 10.0 ** -len(a.partition(".")[2])
            difference = abs(float(a.replace(",", "")) - float(b.replace(",", "")))
            assert difference <= (1.5 * last_digit if "." in a else 0), f"{a} is now {b}: {_REFRESH}"
