"""Reading scores: every format gives the same numbers, and every mistake is named in one line."""

import csv
import decimal
import gzip
import json
import math
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import parquet

from nqjax.errors import InputError
from nqjax.trials.scores import read_scores

SCORES = [0.25, 1.0, -3e-5, math.nan, math.inf, -math.inf, 2.0]


def write(folder: Path, name: str, content: str | bytes) -> Path:
    path = folder / name
    data = content.encode() if isinstance(content, str) else content
    path.write_bytes(gzip.compress(data) if name.endswith(".gz") else data)
    return path


def error_of(path: Path, metric: str = "loss") -> str:
    """Return the message of the InputError that reading the file raises."""
    with pytest.raises(InputError) as caught:
        read_scores(path, metric)
    message = str(caught.value)
    assert "\n" not in message
    assert path.name in message
    return message


# --- formats --------------------------------------------------------------------------------------------------------


def csv_text(delimiter: str = ",") -> str:
    rows = [("trial", "opt", "loss"), *((i, "adam", score) for i, score in enumerate(SCORES))]
    return "".join(delimiter.join(map(str, row)) + "\n" for row in rows)


@pytest.mark.parametrize("name", ["t.csv", "T.CSV", "t.csv.gz", "t.tsv", "t.tsv.gz"])
def test_delimited_text(tmp_path, name):
    path = write(tmp_path, name, csv_text("\t" if ".tsv" in name else ","))
    scores = read_scores(path, "loss")
    assert scores.dtype == np.float64
    np.testing.assert_array_equal(scores, SCORES)


@pytest.mark.parametrize("name", ["t.jsonl", "t.ndjson", "t.jsonl.gz"])
@pytest.mark.parametrize("nested", [False, True])
@pytest.mark.parametrize("text", [False, True])  # failed scores as the text "NaN", which takes the slow path
def test_json_lines(tmp_path, name, nested, text):
    def value(score):
        return str(score) if text and not math.isfinite(score) else score

    trials = [{"metrics": {"loss": value(s), "more": [1]}} if nested else {"loss": value(s)} for s in SCORES]
    path = write(tmp_path, name, "".join(json.dumps(trial) + "\n" for trial in trials))
    np.testing.assert_array_equal(read_scores(path, "metrics.loss" if nested else "loss"), SCORES)


@pytest.mark.parametrize(
    ("column", "expected"),
    [
        (pa.array(SCORES), SCORES),
        (pa.array([1.5, None], pa.float32()), [1.5, math.nan]),
        (pa.array([1.5, 2.0], pa.float16()), [1.5, 2.0]),
        (pa.array([3, None, 2**60 + 1]), [3.0, math.nan, 2.0**60]),
        (pa.array(["0.5", None, "nan", " inf "]), [0.5, math.nan, math.nan, math.inf]),
        (pa.array(["0.5", "2", "0.5"]).dictionary_encode(), [0.5, 2.0, 0.5]),
        (pa.array([None, None]), [math.nan, math.nan]),
        (pa.array([decimal.Decimal(1), decimal.Decimal(2)]), [1.0, 2.0]),
    ],
    ids=lambda value: str(value.type) if isinstance(value, pa.Array) else "",
)
def test_parquet_types(tmp_path, column, expected):
    path = tmp_path / "t.parquet"
    parquet.write_table(pa.table({"trial": pa.array(range(len(column))), "loss": column}), path)
    np.testing.assert_array_equal(read_scores(path, "loss"), expected)


def test_parquet_nested_and_in_many_row_groups(tmp_path):
    path = tmp_path / "t.parquet"
    metrics = [{"loss": float(i), "curve": [1.0]} if i % 7 else None for i in range(100)]
    parquet.write_table(pa.table({"metrics": metrics}), path, row_group_size=9)
    expected = [float(i) if i % 7 else math.nan for i in range(100)]
    np.testing.assert_array_equal(read_scores(path, "metrics.loss"), expected)


@pytest.mark.parametrize("cell", ["", " ", "nan", "NaN", "-nan", "None", "null", "NULL", "NA", "N/A", '""', '" "'])
def test_missing_cells_are_failed_runs(tmp_path, cell):
    path = write(tmp_path, "t.csv", f"loss,lr\n0.5,1\n{cell},2\n0.25,3\n")
    np.testing.assert_array_equal(read_scores(path, "loss"), [0.5, math.nan, 0.25])


@pytest.mark.parametrize(
    ("cell", "value"),
    [(" 1.5 ", 1.5), ("+2", 2.0), (".5", 0.5), ("5.", 5.0), ("1e3", 1e3), ("1e999", math.inf), ('"0.5"', 0.5)]
    + [(text, math.copysign(math.inf, -(text[0] == "-"))) for text in ("inf", "Inf", "+inf", "-inf", "-Infinity")],
)
def test_cells_that_are_numbers(tmp_path, cell, value):
    path = write(tmp_path, "t.csv", f"lr,loss\n1,{cell}\n2,\n")
    np.testing.assert_array_equal(read_scores(path, "loss"), [value, math.nan])


@pytest.mark.parametrize(
    "text",
    [
        '# made by\n#\tus, "them\n\nloss,lr\n0.5,1\n0.25,2\n',
        "\ufeffloss,lr\n0.5,1\n0.25,2\n",
        "\ufeff# note\nloss,lr\n0.5,1\n0.25,2\n",
        "loss,lr\r\n0.5,1\r\n\r\n0.25,2\r\n\r\n",
        "lr, loss \n1, 0.5\n2, 0.25",
        'note,loss\n"two\nlines, one "" quote",0.5\n5" disk,0.25\n',
        '"a\nheader",loss\n1,0.5\n2,0.25\n',
        "lr,lr,loss\n1,2,0.5\n3,4,0.25\n",
        "loss\n0.5\n0.25\n",
    ],
    ids=["comments", "bom", "bom+comment", "crlf", "spaces", "quotes", "header", "repeated names", "one column"],
)
def test_csv_dialects(tmp_path, text):
    np.testing.assert_array_equal(read_scores(write(tmp_path, "t.csv", text), "loss"), [0.5, 0.25])


def test_csv_ignores_other_columns_encoding(tmp_path):
    path = write(tmp_path, "t.csv", b"name,loss\ncaf\xe9,0.5\nx,0.25\n")
    np.testing.assert_array_equal(read_scores(path, "loss"), [0.5, 0.25])


@pytest.mark.parametrize(
    ("lines", "metric", "expected"),
    [
        (['{"a": 1}', '{"loss": 2, "a": "x"}', "", '{"a": [1], "loss": null}'], "loss", [math.nan, 2.0, math.nan]),
        (['{"m": {"loss": 1}}', '{"m": null}', "{}", '{"m": {}}'], "m.loss", [1.0, math.nan, math.nan, math.nan]),
        (['{"m": {"loss": 1}}', '{"m": "failed"}'], "m.loss", [1.0, math.nan]),
        (['{"m.loss": 1}', '{"m.loss": 2}'], "m.loss", [1.0, 2.0]),
        (['{"a.b": {"c": {"d.e": 1}}}'], "a.b.c.d.e", [1.0]),
        (['{"loss": NaN, "curve": [NaN]}', '{"loss": -Infinity}'], "loss", [math.nan, -math.inf]),
        (['{"loss": "0.5"}', '{"loss": "None"}', '{"loss": 1' + "0" * 400 + "}"], "loss", [0.5, math.nan, math.inf]),
        (['\ufeff{"loss": 1}', '{"loss": 1, "loss": 2}'], "loss", [1.0, 2.0]),
        (['{"loss": null}', '{"loss": null}'], "loss", [math.nan, math.nan]),
    ],
)
def test_json_lines_of_every_kind(tmp_path, lines, metric, expected):
    path = write(tmp_path, "t.jsonl", "\n".join(lines))
    np.testing.assert_array_equal(read_scores(path, metric), expected)


def test_long_cells_and_lines(tmp_path):
    lines = [json.dumps({"loss": i, "curve": "x" * (1 << 24)}) for i in (1, 2)]
    np.testing.assert_array_equal(read_scores(write(tmp_path, "t.jsonl", "\n".join(lines)), "loss"), [1.0, 2.0])
    limit = csv.field_size_limit()
    text = "prompt,loss\n" + "".join(f"{'x' * (1 << 20)},{i}\n" for i in (1, 2))
    np.testing.assert_array_equal(read_scores(write(tmp_path, "t.csv", text), "loss"), [1.0, 2.0])
    assert csv.field_size_limit() == limit  # the process's own setting is as before


def test_reference_data_agree_across_formats(shared_data):
    table = read_scores(shared_data / "deberta_v3_multinli.csv", "trial")
    jsonl = read_scores(shared_data / "deberta_v3_multinli.jsonl", "iteration")
    np.testing.assert_array_equal(table, jsonl)
    rates = [read_scores(shared_data / f"convnext_tiny_imagenet.{ending}", "lr") for ending in ("csv", "jsonl")]
    np.testing.assert_array_equal(*rates)


# --- mistakes -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "content", "parts"),
    [
        ("t.csv", "", ["is empty"]),
        ("t.csv", "# only\n# comments\n", ["no header"]),
        ("t.csv", "loss,lr", ["no rows"]),
        ("t.csv", "loss,lr\n\n", ["no rows"]),
        ("t.csv", "0.1,1\n0.2,2\n", ["no header", "holds numbers"]),
        ("t.csv", "loss,lr,loss\n1,2,3\n", ["2 columns named 'loss'"]),
        ("t.csv", "lr,Loss\n1,2\n", ["no column 'loss'", "did you mean 'Loss'?", "lr, Loss"]),
        ("t.csv", "lr,los\n1,2\n", ["did you mean 'los'?"]),
        ("t.csv", "lr,accuracy\n1,2\n", ["no column 'loss'", "lr, accuracy"]),
        ("t.csv", "loss,lr\n1,2\n\n3\n4,5\n", ["line 4: 1 cells", "the header has 2"]),
        ("t.csv", '# c\nloss,x\n1,"a\nb"\n3,4,5\n', ["line 5: 3 cells"]),
        ("t.csv", 'loss,x\n1,"a\n3,4\n', ["line 2", "never closed"]),
        ("t.csv", "# c\nloss,x\n1,2\n\noops,3\n", ["row 2 (line 5)", "'oops'"]),
        ("t.csv", 'x,loss\n"a\nb",1\nc,1_000\n', ["row 2 (line 4)", "'1_000'"]),
        ("t.csv", "loss\nTrue\n", ["row 1 (line 2)", "'True'"]),
        ("t.csv", "loss\n" + "x" * 99 + "\n", ["row 1 (line 2)", "'" + "x" * 37 + "...'"]),
        ("t.csv", b"loss,x\n\xe9,1\n", ["not valid CSV", "UTF8"]),
        ("t.csv", "loss,x\n1,2\n".encode("utf-16"), ["not UTF-8 text"]),
        ("t.csv", b"PK\x03\x04\x00\x00", ["not UTF-8 text"]),
        ("t.tsv", "loss,x\n1,2\n", ["no column 'loss'", "did you mean 'loss,x'"]),
        ("t.jsonl", "\n\n", ["no rows"]),
        ("t.jsonl", '{"loss": 1}\n{"loss": 2\n', ["line 2", "not a JSON object"]),
        ("t.jsonl", '{"los": 1}\n{"los": 2\n', ["line 2", "not a JSON object"]),
        ("t.jsonl", '[{"loss": 1}]\n', ["line 1", "list"]),
        ("t.jsonl", '{"loss": 1}\n\n{"loss": "oops"}\n', ["row 2 (line 3)", "'oops'"]),
        ("t.jsonl", '{"loss": 1}\n{"loss": true}\n', ["row 2 (line 2)", "True"]),
        ("t.jsonl", '{"loss": [1, 2]}\n', ["row 1 (line 1)", "a list"]),
        ("t.jsonl", '{"loss": {"train": 1}}\n', ["row 1 (line 1)", "a dict"]),
        ("t.jsonl", '{"a": 1}\n{"m": {"loss": 1, "b": 2}}\n', ["did you mean 'm.loss'?", "a, m.loss, m.b"]),
        ("t.jsonl", b'{"\xff": 1}', ["line 1", "not a JSON object"]),
        ("t.parquet", b"PAR1 but not really", ["not a Parquet file"]),
        ("t.csv.gz", None, ["cannot be read"]),
        ("t.jsonl.gz", None, ["cannot be read"]),
        ("t.txt", "loss\n1\n", ["unknown file type '.txt'", ".csv, .tsv, .jsonl, .ndjson, .parquet"]),
        ("t", "loss\n1\n", ["unknown file type ''"]),
        ("t.parquet.gz", "x", ["unknown file type"]),
    ],
)
def test_mistakes_are_named(tmp_path, name, content, parts):
    path = write(tmp_path, name, content if content is not None else b"x" * 100)
    if content is None:  # a .gz cut short
        path.write_bytes(path.read_bytes()[:-9])
    message = error_of(path)
    for part in parts:
        assert part in message


def test_many_columns_are_not_all_listed(tmp_path):
    path = write(tmp_path, "t.jsonl", json.dumps({f"hp_{i}": i for i in range(100)}))
    message = error_of(path)
    assert "hp_29, and 70 more" in message


@pytest.mark.parametrize(
    ("column", "part"),
    [
        (pa.array([True, False]), "holds bool"),
        (pa.array([[1.0], [2.0]]), "holds list"),
        (pa.array(["0.5", "oops"]), "row 2: loss is 'oops'"),
        (pa.array([1, 2], pa.timestamp("s")), "holds timestamp"),
        (pa.array([{"train": 1.0}]), "holds struct"),
    ],
    ids=lambda value: str(value.type) if isinstance(value, pa.Array) else "",
)
def test_parquet_columns_that_are_not_scores(tmp_path, column, part):
    path = tmp_path / "t.parquet"
    parquet.write_table(pa.table({"loss": column}), path)
    assert part in error_of(path)


def test_parquet_names_its_columns(tmp_path):
    path = tmp_path / "t.parquet"
    parquet.write_table(pa.table({"lr": [1.0], "m": [{"loss": 1.0}]}), path)
    message = error_of(path)
    assert "did you mean 'm.loss'?" in message
    assert "lr, m.loss" in message


def test_parquet_without_rows(tmp_path):
    path = tmp_path / "t.parquet"
    for kind in (pa.float64(), pa.string(), pa.null()):
        parquet.write_table(pa.table({"loss": pa.array([], kind)}), path)
        assert "no rows" in error_of(path)


def test_no_such_file_and_a_directory(tmp_path):
    assert "does not exist" in error_of(tmp_path / "t.csv")
    assert "is a directory" in error_of(tmp_path)


# --- size -----------------------------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("ending", ["csv", "jsonl", "parquet"])
def test_a_million_rows(tmp_path, ending):
    expected = np.random.default_rng(0).random(1_000_000)
    path = tmp_path / f"t.{ending}"
    if ending == "parquet":
        parquet.write_table(pa.table({"loss": expected}), path)
    else:
        row = "{},0.001,adam,{!r}\n" if ending == "csv" else '{{"trial":{},"opt":"adam","loss":{!r}}}\n'
        with path.open("w") as file:
            file.write("trial,lr,opt,loss\n" if ending == "csv" else "")
            file.writelines(row.format(i, score) for i, score in enumerate(expected.tolist()))
    start = time.perf_counter()
    scores = read_scores(path, "loss")
    seconds = time.perf_counter() - start
    np.testing.assert_array_equal(scores, expected)
    assert seconds < 10.0  # 0.1 to 3 s on two idle cores
