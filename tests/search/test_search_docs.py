"""The task in docs/searching.md runs as it stands there."""

import re
from pathlib import Path

import jax
import numpy as np
import pytest

from nqjax import search
from nqjax.search.optimizers.registry import POPULATION, STOPPING

_DOCS = Path(__file__).parents[2] / "docs" / "searching.md"


def _block():
    (block,) = re.findall(r"```python\n(.*?)```", _DOCS.read_text(encoding="utf-8"), re.DOTALL)
    return block


@pytest.fixture(scope="module")
def circle():
    """Return the task as a reader defines it, without the search."""
    names = {"__name__": "docs"}
    exec(compile(_block().split("trials = run")[0], str(_DOCS), "exec"), names)
    return names["Circle"]()


def test_the_task_in_the_docs(tmp_path, monkeypatch, capsys):
    block = _block()
    monkeypatch.chdir(tmp_path)
    names = {"__name__": "docs"}
    exec(compile(block, str(_DOCS), "exec"), names)
    trials = search.read_trials("circle.jsonl")
    assert len(trials) == 128
    assert trials.rows == names["trials"].rows
    assert trials.best["error"] < 0.1  # half of the points are outside; a good trial learns the circle
    assert np.ptp(trials.scores) > 0
    assert "error" in capsys.readouterr().out
    regime = names["regime"]
    assert 0 < regime.fit.alpha < regime.threshold < 0.5  # the error of one who guesses
    assert 0 < regime.fit.sigma < 0.1
    body = block.split("class Circle")[1].split("trials = run")[0]
    assert len([line for line in body.splitlines() if line.strip()]) <= 45


@pytest.mark.parametrize("method", [*STOPPING, POPULATION])
def test_methods_that_pause_trials_run_on_the_task_in_the_docs(method, circle, tmp_path):
    """By their names: with two programs, a derived hyperparameter and lengths from 4 to 8 rounds."""
    out = tmp_path / "trials.jsonl"
    found = search.run(circle, num_trials=16, key=jax.random.key(0), method=method, batch=4, out=out)
    assert search.read_trials(out).rows == found.rows
    assert len(found) == 16
    assert {row["peak"] for row in found.rows} == {0.25 * row["epochs"] for row in found.rows}
    assert found.best["error"] < 0.4
    if method == POPULATION:
        assert found["trained"].tolist() == found["rounds"].tolist() == found["epochs"].tolist()
        assert sum(len(lineage) > 1 for lineage in found["lineage"]) >= 3
    else:
        assert 0 < (found["status"] == "pruned").sum() < 16
