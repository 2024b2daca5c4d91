"""The notebooks run, and the output that is kept with them is what a fresh run gives."""

import re
from pathlib import Path

import pytest
from nbformat import NotebookNode

from support.notebooks import FOLDER, code_cells, complaints, errors, figures, printed, read, run

NOTEBOOK = FOLDER / "01_quickstart.ipynb"
OTHERS = [path for path in sorted(FOLDER.glob("*.ipynb")) if path != NOTEBOOK]
_REFRESH = (
    f"run `jupyter nbconvert --to notebook --execute --inplace --ExecutePreprocessor.record_timing=False "
    f"notebooks/{NOTEBOOK.name}` and look at what changed"
)
_NUMBER = re.compile(r"(?<![\w.])[-+]?\d[\d,]*(?:\.\d+)?(?:e[-+]?\d+)?")
_ABSOLUTE_PATH = re.compile(r"(?<![\w./:<])(?:~?/[\w.-]+/|[A-Za-z]:\\|file://)")


@pytest.fixture(scope="module")
def kept() -> NotebookNode:
    return read(NOTEBOOK)


@pytest.fixture(scope="module")
def fresh(kept: NotebookNode) -> NotebookNode:
    """Run the notebook once."""
    return run(kept)


def parameters(notebook: NotebookNode) -> list[tuple[str, str]]:
    """Every parameter that is printed as ``name = value``, in order."""
    text = "\n".join(map(printed, code_cells(notebook)))
    return re.findall(r"^(alpha|beta|gamma|sigma) += (\S+)$", text, flags=re.MULTILINE)


def test_the_kept_notebook_is_complete(kept: NotebookNode) -> None:
    cells = code_cells(kept)
    counts = [cell.execution_count for cell in cells]
    assert counts == list(range(1, len(cells) + 1)), f"not one run from top to bottom: {_REFRESH}"
    assert errors(kept) == []
    assert complaints(kept) == []
    assert sum(map(figures, cells)) >= 4
    assert kept.metadata.kernelspec.name == "python3"
    assert NOTEBOOK.stat().st_size < 400_000


@pytest.mark.parametrize("path", [NOTEBOOK, *OTHERS], ids=lambda path: path.stem)
def test_no_notebook_names_a_place_on_a_machine(path: Path) -> None:
    for cell in read(path).cells:
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


@pytest.mark.parametrize("path", OTHERS, ids=lambda path: path.stem)
def test_the_other_notebooks_run(path: Path, request: pytest.FixtureRequest) -> None:
    """Each cell prints and draws where the kept one does; the digits of what is drawn at random may differ."""
    kept = read(path)
    variables = {}
    if path.stem == "02_paper_figures":
        variables["NQJAX_SHARED_DATA"] = str(request.getfixturevalue("shared_data"))
    fresh = run(kept, **variables)
    assert errors(kept) == errors(fresh) == []
    assert complaints(kept) == complaints(fresh) == []
    assert sum(map(figures, code_cells(kept))) >= 2
    for old, new in zip(code_cells(kept), code_cells(fresh), strict=True):
        assert figures(old) == figures(new), _REFRESH
        assert bool(printed(old)) == bool(printed(new)), _REFRESH


def test_the_papers_figures_say_what_is_missing(tmp_path: Path) -> None:
    notebook = run(read(FOLDER / "02_paper_figures.ipynb"), NQJAX_SHARED_DATA=str(tmp_path))
    assert errors(notebook) == complaints(notebook) == []
    assert sum(map(figures, code_cells(notebook))) == 0
    assert "the data are missing: set NQJAX_SHARED_DATA" in "".join(map(printed, code_cells(notebook)))
