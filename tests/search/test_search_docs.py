"""The task in docs/searching.md runs as it stands there."""

import re
from pathlib import Path

import numpy as np

from nqjax import search

_DOCS = Path(__file__).parents[2] / "docs" / "searching.md"


def test_the_task_in_the_docs(tmp_path, monkeypatch, capsys):
    (block,) = re.findall(r"```python\n(.*?)```", _DOCS.read_text(encoding="utf-8"), re.DOTALL)
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
