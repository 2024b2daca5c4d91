"""Files of searches: check sums, trials that come twice, and lines that were changed in any way."""

import gzip
import json
import math
import random
from pathlib import Path

import numpy as np
import pytest

from nqjax.errors import InputError
from nqjax.search.trials_file import TrialsFile
from nqjax.trials.columns import LONGEST_LINE
from nqjax.trials.labels import read_labels
from nqjax.trials.scores import read_scores
from nqjax.trials.search_lines import CHECK, HEADER, header_line, row_line
from nqjax.trials.table import read_trials

SETTINGS = {
    "task": "line",
    "task_settings": {},
    "score": "val_loss",
    "minimize": True,
    "space": {"rate": {"log_uniform": [0.01, 0.5]}, "kind": {"choice": ["a", "b"]}},
    "sampling": "random",
    "key": [0, 7],
}
MADE_BY = {"nqjax": "0.1.0", "device": "cpu", "lanes": 4}


def a_row(number: int) -> dict:
    rng = random.Random(number)
    curve = [rng.random() for _ in range(3)]
    return {
        "trial": number,
        "rate": rng.random(),
        "kind": "ab"[number % 2],
        "val_loss": None if number == 3 else min(curve),
        "failed": number == 3,
        "best_round": curve.index(min(curve)),
        "rounds": 3,
        "curve": {"val_loss": [None] * 3 if number == 3 else curve},
    }


ROWS = {number: a_row(number) for number in range(8)}
LINES = [header_line(SETTINGS, MADE_BY), *map(row_line, ROWS.values())]


def without_check_sums(lines):
    """Return the lines as earlier versions wrote them."""
    values = [json.loads(line) for line in lines]
    for value in values:
        value.pop(CHECK, None)
        if HEADER in value:
            value[HEADER].pop(CHECK, None)
    return [json.dumps(value).encode() + b"\n" for value in values]


@pytest.fixture
def file(tmp_path) -> Path:
    path = tmp_path / "trials.jsonl"
    path.write_bytes(b"".join(LINES))
    return path


def in_search(path: Path, settings=SETTINGS) -> dict[int, dict]:
    with TrialsFile(path, settings, dict(MADE_BY)) as found:
        return dict(found.rows)


# --- what is written and read ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("lines", [LINES, without_check_sums(LINES)], ids=["with check sums", "of earlier versions"])
def test_what_was_written_is_read(file, lines):
    file.write_bytes(b"".join(lines))
    trials = read_trials(file)
    assert {row["trial"]: row for row in trials.rows} == ROWS
    assert (trials.settings, trials.made_by) == (SETTINGS, MADE_BY)
    assert in_search(file) == ROWS
    expected = [math.nan if row["val_loss"] is None else row["val_loss"] for row in ROWS.values()]
    np.testing.assert_array_equal(read_scores(file, "val_loss"), expected)
    assert read_labels(file, "kind") == [row["kind"] for row in ROWS.values()]


def test_other_spaces_and_orders_of_keys_have_the_same_check_sum(file):
    values = [json.loads(line) for line in LINES]
    file.write_text("".join(json.dumps(value, separators=(",", ":")) + "\n\n" for value in values))
    assert {row["trial"]: row for row in read_trials(file).rows} == ROWS
    compressed = file.with_name("trials.jsonl.gz")
    compressed.write_bytes(gzip.compress(file.read_bytes()))
    assert len(read_trials(compressed)) == 8


def test_a_continued_file_of_an_earlier_version_gets_check_sums(file):
    file.write_bytes(b"".join(without_check_sums(LINES[:5])))
    with TrialsFile(file, SETTINGS, dict(MADE_BY)) as out:
        out.begin(4)
        out.add([ROWS[7], ROWS[6]])
        out.finish()
    assert [row["trial"] for row in read_trials(file).rows] == [0, 1, 2, 3, 6, 7]
    assert file.read_bytes().count(CHECK.encode()) == 7
    file.write_bytes(file.read_bytes().replace(b'"failed": true', b'"failed": false'))
    with pytest.raises(InputError, match=r"trials\.jsonl, line 6: changed since it was written"):
        read_trials(file)


# --- trials that come twice -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("lines", [LINES, without_check_sums(LINES)], ids=["with check sums", "of earlier versions"])
def test_a_file_given_twice_over_has_each_trial_once(file, lines):
    """`cat t.jsonl t.jsonl`: for a fit, for an experiment, and for the search, which removes the doubled lines."""
    file.write_bytes(b"".join([*lines, *lines]))
    assert len(read_scores(file, "val_loss")) == 8
    assert len(read_labels(file, "trial")) == 8
    assert {row["trial"]: row for row in read_trials(file).rows} == ROWS
    with TrialsFile(file, SETTINGS, dict(MADE_BY)) as found:
        assert found.rows == ROWS
        found.finish()
    assert len(file.read_bytes().splitlines()) == 9


READERS = (read_trials, in_search, lambda path: read_scores(path, "val_loss"), lambda path: read_labels(path, "kind"))


@pytest.mark.parametrize("read", READERS)
def test_a_trial_that_comes_twice_and_differs_is_refused(file, read):
    other = row_line({**ROWS[2], "val_loss": 0.5})
    file.write_bytes(b"".join([*LINES, other]))
    with pytest.raises(InputError, match=r"line 10: trial 2 comes twice, and differs from line 4"):
        read(file)


def test_two_searches_in_one_file_are_refused(file):
    second = header_line({**SETTINGS, "key": [0, 8]}, MADE_BY)
    file.write_bytes(b"".join([*LINES[:4], second, *LINES[4:]]))
    for read in (read_trials, lambda path: read_scores(path, "val_loss")):
        with pytest.raises(InputError, match="line 5: the header of another search"):
            read(file)


def test_rows_of_other_files_may_have_any_numbers(tmp_path):
    """A line that no search has written is no trial of one: it may have a key "trial", and have it twice."""
    path = tmp_path / "t.jsonl"
    path.write_text('{"trial": 1, "loss": 2}\n{"trial": 1, "loss": 3}\n{"trial": "x", "loss": 4}\n')
    assert read_scores(path, "loss").tolist() == [2, 3, 4]
    with pytest.raises(InputError, match="not written by nqjax search"):
        read_trials(path)


# --- lines that were changed ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "value", "part"),
    [
        ("rate", 0.25, "changed since it was written"),
        (CHECK, None, "has no check sum"),
        ("trial", 77, "changed since it was written"),
        ("more", 1, "changed since it was written"),
    ],
)
def test_a_changed_line_is_named(file, name, value, part):
    row = json.loads(LINES[5])
    row[name] = value
    if value is None:
        del row[name]
    file.write_bytes(b"".join([*LINES[:5], json.dumps(row).encode() + b"\n", *LINES[6:]]))
    for read in READERS:
        with pytest.raises(InputError) as caught:
            read(file)
        assert str(caught.value).startswith(f"{file}, line 6: ")
        assert part in str(caught.value)


@pytest.mark.parametrize(
    ("name", "value", "part"),
    [
        ("rate", ..., "trial 4 lacks the hyperparameter 'rate'"),
        ("rate", [1], "neither a number nor text"),
        ("rate", math.nan, "neither a number nor text"),
        ("val_loss", ..., "lacks the score 'val_loss'"),
        ("val_loss", "0.1", "lacks the score 'val_loss', or it is not a number"),
        ("val_loss", 10**400, "not a number"),
        ("val_loss", True, "not a number"),
        ("failed", ..., "does not say whether it failed"),
        ("failed", "no", "does not say whether it failed"),
        ("curve", {"val_loss": 3}, "invalid curve"),
        ("curve", [], "invalid curve"),
        ("trial", True, "no number"),
        ("trial", -1, "no number"),
        ("trial", ..., "no number"),
    ],
)
def test_what_a_trial_lacks_is_named_where_there_are_no_check_sums(file, name, value, part):
    lines = without_check_sums(LINES)
    row = json.loads(lines[5])
    row[name] = value
    if value is ...:
        del row[name]
    file.write_bytes(b"".join([*lines[:5], json.dumps(row).encode() + b"\n", *lines[6:]]))
    for read in (read_trials, in_search):
        with pytest.raises(InputError) as caught:
            read(file)
        assert str(caught.value).startswith(f"{file}, line 6: ")
        assert part in str(caught.value)


@pytest.mark.parametrize(
    "header",
    [
        7,
        None,
        [],
        {},
        {"settings": {}, "made_by": {}},
        {"settings": SETTINGS},
        {"settings": SETTINGS, "made_by": []},
        {"settings": SETTINGS, "made_by": {"lanes": "4"}},
        {"settings": SETTINGS, "made_by": {"lanes": 4, "data": 3}},
        {"settings": SETTINGS, "made_by": MADE_BY, "more": 1},
        {"settings": SETTINGS, "made_by": MADE_BY, CHECK: "00000000"},
        *({"settings": {**SETTINGS, name: None}, "made_by": MADE_BY} for name in SETTINGS if name != "sampling"),
        {"settings": {**SETTINGS, "key": [0, -1]}, "made_by": MADE_BY},
        {"settings": {**SETTINGS, "space": {"rate": 3}}, "made_by": MADE_BY},
    ],
    ids=str,
)
def test_an_invalid_header_is_named(file, header):
    file.write_bytes(b"".join([json.dumps({HEADER: header}).encode() + b"\n", *without_check_sums(LINES)[1:]]))
    with pytest.raises(InputError, match=r"trials\.jsonl, line 1: "):
        read_trials(file)
    with pytest.raises(InputError):
        in_search(file)


def test_a_damaged_header_is_not_a_failed_trial(file):
    """With another key it looks like a trial of some other tool, without the metric."""
    file.write_bytes(b"".join([LINES[0].replace(b"nqjax_search", b"nqjax_sxarch"), *LINES[1:]]))
    with pytest.raises(InputError, match=r"line 1: not a line of a search, as the others are"):
        read_scores(file, "val_loss")


# --- random changes -------------------------------------------------------------------------------------------------

ODD = (None, True, -1, 0, 10**400, 1e300, math.nan, math.inf, "", "x", "\x1b[31m", [], [1], {}, {"a": 1})


def change(rng: random.Random, text: bytes) -> bytes:
    """Return a file with one random change."""
    lines = text.splitlines(keepends=True)
    kind = rng.randrange(12)
    if not text:
        return rng.randbytes(9)
    at, line = rng.randrange(len(text)), rng.randrange(len(lines))
    if kind == 0:
        return text[:at] + rng.randbytes(1) + text[at + 1 :]
    if kind in (1, 2):
        digits = [i for i, byte in enumerate(text) if byte in b"0123456789"]
        at = rng.choice(digits) if digits else at
        return text[:at] + rng.choice("0123456789").encode() + text[at + 1 :]
    if kind == 3:
        return text[:at]
    if kind == 4:
        return text[:at] + rng.randbytes(rng.randrange(1, 9)) + text[at:]
    if kind == 5:
        return text[:at] + text[at + rng.randrange(1, 200) :]
    if kind == 6:
        return b"".join([*lines[:line], lines[line], *lines[line:]])
    if kind == 7:
        return b"".join([*lines[:line], *lines[line + 1 :]])
    if kind == 8:
        rng.shuffle(lines)
        return b"".join(lines)
    if kind == 9:
        return text * 2 if len(text) < 10**5 else text
    try:
        value = json.loads(lines[line])
    except ValueError:
        return text
    inside = value
    while isinstance(inside, dict) and inside:
        name = rng.choice(list(inside))
        if isinstance(inside[name], dict) and inside[name] and rng.random() < 0.7:
            inside = inside[name]
        elif kind == 10:
            inside[name] = rng.choice(ODD)
            break
        else:
            del inside[name]
            break
    lines[line] = json.dumps(value).encode() + b"\n"
    return b"".join(lines)


@pytest.mark.parametrize("checked", [True, False], ids=["with check sums", "of earlier versions"])
def test_no_random_change_gives_a_traceback_or_an_odd_or_doubled_trial(tmp_path, checked):
    """Each of 4,000 changed files (2,000 of each kind) is read rightly, or refused in one line."""
    path = tmp_path / "t.jsonl"
    lines = LINES if checked else without_check_sums(LINES)
    scores = {row["val_loss"] for row in ROWS.values()} - {None}
    outcomes, messages = [], []

    def attempt(read):
        try:
            found = read(path)
        except InputError as error:
            messages.append(str(error))
            outcomes.append(False)
            return []
        outcomes.append(True)
        return found

    for number in range(2000):
        rng = random.Random(number)
        text = b"".join(lines)
        for _ in range(rng.choice((1, 1, 2, 4))):
            text = change(rng, text)
        path.write_bytes(text)
        rows = attempt(lambda path: read_trials(path).rows)
        seen = attempt(lambda path: read_scores(path, "val_loss"))
        continued = attempt(in_search)
        assert len({row["trial"] for row in rows}) == len(rows)
        if checked:
            assert all(row == ROWS[row["trial"]] for row in rows)
            assert all(row == ROWS[row["trial"]] for row in (continued[number] for number in continued))
            assert np.sum(np.isnan(seen)) <= 1
            real = [score for score in seen if not math.isnan(score)]
            assert len(set(real)) == len(real)
            assert set(real) <= scores
        else:
            assert all(set(SETTINGS["space"]) <= row.keys() for row in rows)
    assert 0.05 < np.mean(outcomes) < 0.95
    assert max(map(len, messages)) <= 500
    assert all(message.isprintable() for message in messages)


# --- sizes and names ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["t.csv.gz", "t.jsonl.gz", "t.tsv.gz"])
def test_a_line_longer_than_64_mb_is_not_read(tmp_path, name):
    """A small .gz file would take gigabytes."""
    path = tmp_path / name
    begin = b"loss\n0.1\n" if "sv" in name else b'{"loss": 1}\n{"loss": "'
    path.write_bytes(gzip.compress(begin + b"1" * (LONGEST_LINE + 10**6), 1))
    assert path.stat().st_size < 10**6
    with pytest.raises(InputError, match=r"longer than 64 MB; give each trial a line of its own"):
        read_scores(path, "loss")


@pytest.mark.parametrize("name", ["T.CSV.GZ", "t.Csv.Gz", "t.JSONL.gz"])
def test_endings_are_read_whatever_their_case(tmp_path, name):
    path = tmp_path / name
    text = b'{"loss": 1}\n{"loss": 2}\n' if "J" in name else b"loss\n1\n2\n"
    path.write_bytes(gzip.compress(text))
    assert read_scores(path, "loss").tolist() == [1, 2]


def test_names_in_messages_are_short_and_printable(tmp_path):
    path = tmp_path / "t.jsonl"
    names = ["\x1b]0;title\x07\x1b[31mloss", "x" * 10_000, *(f"{i}{'y' * 300}" for i in range(100))]
    path.write_text(json.dumps(dict.fromkeys(names, 1)) + "\n")
    with pytest.raises(InputError) as caught:
        read_scores(path, "z" * 10_000)
    message = str(caught.value)
    assert len(message) <= 500
    assert message.isprintable()
    assert r"\x1b]0;title\x07\x1b[31mloss" in message
    assert "more" in message


# --- cases from the field -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["hostile-header-number.jsonl", "hostile-header-empty.jsonl"])
def test_hostile_headers(shared_cases, name):
    with pytest.raises(InputError, match=rf"{name}, line 1: "):
        read_trials(shared_cases / name)


def test_a_hostile_row(shared_cases):
    with pytest.raises(InputError, match=r"line 2: trial 0 lacks the hyperparameter '\w+'$"):
        read_trials(shared_cases / "hostile-row-without-hyperparameter.jsonl")


def test_a_hostile_ending(shared_cases):
    scores = read_scores(shared_cases / "hostile-upper.CSV.GZ", "loss")
    assert len(scores) > 3
    assert np.all(np.isfinite(scores))
