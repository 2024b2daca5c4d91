"""Conditions that choose rows: every operator against Python's own, and texts that are no conditions."""

import math

import pytest

from nqjax.errors import InputError
from nqjax.trials.readers.where import parse_where

ROWS = [
    {"lr": 0.1, "State": "finished", "tuner/epochs": "3", "my col": None, "flag": True},
    {"lr": 0.5, "State": "crashed", "tuner/epochs": "20", "my col": "x y", "flag": False},
    {"lr": 2, "State": "finished", "tuner/epochs": "20", "my col": "", "flag": True},
    {"lr": math.nan, "State": "", "tuner/epochs": "7", "my col": "z", "flag": False},
]


def kept(text):
    condition = parse_where(text, list(ROWS[0]))
    return [i for i, row in enumerate(ROWS) if condition(row)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("State=finished", [0, 2]),
        ("State == 'finished'", [0, 2]),
        ('State == "finished"', [0, 2]),
        ("State != finished", [1, 3]),
        ("lr < 0.5", [0]),
        ("lr<=5e-1", [0, 1]),
        ("lr > 0.1", [1, 2]),
        ("lr>=2", [2]),
        ("lr == 2.0", [2]),
        ("tuner/epochs == 20", [1, 2]),
        ("tuner/epochs > 3", [1, 2, 3]),  # as numbers, not as texts
        ("`my col` = 'x y'", [1]),
        ("'my col' == ''", [0, 2]),
        ("lr != ''", [0, 1, 2]),
        ("lr == nan", [3]),
        ("State in (crashed, 'other')", [1]),
        ("not State == finished", [1, 3]),
        ("State == finished and lr > 1", [2]),
        ("lr > 1 or State == crashed and lr > 0.4", [1, 2]),
        ("(lr > 1 or State == crashed) and lr < 1", [1]),
        ("flag == true", [0, 2]),
    ],
)
def test_conditions(text, expected):
    assert kept(text) == expected


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("", "a column is missing"),
        ("lr", "is missing at the end"),
        ("lr <", "a value is missing at the end"),
        ("lr 3", "no comparison"),
        ("lr < 3 State", "left over"),
        ("(lr < 3", "parenthesis"),
        ("lr in 3", "parentheses"),
        ("lr == 'open", "not understood"),
        ("rate == 1", "no column 'rate'"),
        ("__import__('os').system('true')", "no comparison"),
        ("(" * 1000 + "lr < 3" + ")" * 1000, "nested too deeply"),
        ("not " * 1000 + "lr < 3", "nested too deeply"),
    ],
)
def test_texts_that_are_no_conditions(text, part):
    with pytest.raises(InputError, match=part):
        kept(text)
