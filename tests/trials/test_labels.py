"""Labels of trials: the same text from every format, in the order of the scores."""

import json

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import parquet

from nqjax.errors import InputError
from nqjax.trials.labels import as_labels, read_labels
from nqjax.trials.scores import read_scores

LABELS = ["3", "b c", "3", "0.5"]
VALUES = [3, "b c", 3.0, 0.5]


def test_text_and_json(tmp_path):
    csv = tmp_path / "t.csv"
    csv.write_text("# note\nlr,id,y\n\n1,3,0\n1, b c ,1\n\n1,3,2\n1,0.5,3\n")
    assert read_labels(csv, "id") == LABELS
    np.testing.assert_array_equal(read_scores(csv, "y"), range(4))
    tsv = tmp_path / "t.tsv"
    tsv.write_text(csv.read_text().replace(",", "\t"))
    assert read_labels(tsv, "id") == LABELS
    lines = tmp_path / "t.jsonl"
    lines.write_text("\n\n".join(json.dumps({"config": {"id": value}, "y": 1}) for value in VALUES))
    assert read_labels(lines, "config.id") == LABELS


@pytest.mark.parametrize(
    ("column", "expected"),
    [
        (pa.array([1, 2, 1]), ["1", "2", "1"]),
        (pa.array([1.0, 2.5]), ["1", "2.5"]),
        (pa.array(["a", "b"]).dictionary_encode(), ["a", "b"]),
    ],
    ids=["whole", "float", "text"],
)
def test_parquet(tmp_path, column, expected):
    path = tmp_path / "t.parquet"
    parquet.write_table(pa.table({"id": column}), path)
    assert read_labels(path, "id") == expected


def test_arrays():
    assert as_labels(np.array(VALUES, object), "id") == LABELS
    assert as_labels(np.array([1, 2]), "id") == as_labels(np.array([1.0, 2.0]), "id") == ["1", "2"]
    assert as_labels(np.array(["a", True], object), "id") == ["a", "True"]


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("id,y\na,1\n,2\n", "row 2: id is missing"),
        ("x,y\na,1\n", "no column 'id'"),
        ("id,id\na,1\n", "2 columns named 'id'"),
        ("", "is empty"),
    ],
)
def test_mistakes(tmp_path, text, part):
    path = tmp_path / "t.csv"
    path.write_text(text)
    with pytest.raises(InputError, match=part):
        read_labels(path, "id")


def test_json_without_a_label(tmp_path):
    path = tmp_path / "t.jsonl"
    path.write_text('{"id": 1}\n{"id": null}\n')
    with pytest.raises(InputError, match="row 2: id is missing"):
        read_labels(path, "id")
    path.write_text('{"id": [1]}\n')
    with pytest.raises(InputError, match="row 1: id is a list"):
        read_labels(path, "id")
