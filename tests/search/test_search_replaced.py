"""A file that another program replaces or changes while a search writes it: the search stops, and no trial is lost."""

import json
import shutil

import jax
import pytest

from nqjax import search
from nqjax.errors import InputError
from nqjax.search import trials_file as outfile
from nqjax.trials.search_lines import CHECK, HEADER
from support import tiny_task

KEY = jax.random.key(0)
COUNT = 13


@pytest.fixture(scope="module")
def line():
    return tiny_task.Line()


@pytest.fixture(scope="module")
def reference(line):
    return search.run(line, num_trials=COUNT, key=KEY)


@pytest.fixture
def out(tmp_path):
    return tmp_path / "trials.jsonl"


def replace(path):
    """Do as editors and rsync do: write a copy, and give it the name."""
    copy = path.with_name("copy")
    shutil.copy(path, copy)
    copy.replace(path)


def shorten(path):
    with path.open("r+b") as file:
        file.truncate(path.stat().st_size - 40)


def lengthen(path):
    with path.open("ab") as file:
        file.write(b"\n")


def remove(path):
    path.unlink()


@pytest.mark.parametrize("harm", [replace, shorten, lengthen, remove])
def test_the_search_stops_and_its_trials_are_beside_the_file(line, reference, out, monkeypatch, harm):
    add, calls = outfile.TrialsFile.add, []

    def harmed(self, rows):
        calls.append(1)
        if len(calls) == 2:
            harm(out)
        add(self, rows)

    monkeypatch.setattr(outfile.TrialsFile, "add", harmed)
    with pytest.raises(
        InputError, match=r"replaced or changed by another program, so the search has stopped; its "
    ) as e:
        search.run(line, num_trials=COUNT, key=KEY, out=out)
    monkeypatch.undo()
    assert "\n" not in str(e.value)
    rescued = out.with_name("trials.rescued1.jsonl")
    safe = search.read_trials(rescued)
    assert len(safe) >= 2
    assert set(map(str, safe.rows)) <= set(map(str, reference.rows))
    rescued.replace(out)
    assert search.run(line, num_trials=COUNT, key=KEY, out=out).rows == reference.rows


def test_a_file_that_is_replaced_at_the_end_is_left_alone(line, reference, out):
    """Sorting the trials must not write over what another program has put there."""
    search.run(line, num_trials=COUNT, key=KEY, out=out)
    header, *rows = out.read_bytes().splitlines(keepends=True)
    out.write_bytes(b"".join([header, *reversed(rows)]))
    content = json.loads(header)[HEADER]
    with outfile.TrialsFile(out, content["settings"], content["made_by"]) as file:
        out.unlink()
        out.write_text("mine")
        with pytest.raises(InputError, match=r"trials\.rescued1\.jsonl"):
            file.finish()
    assert out.read_text() == "mine"
    assert search.read_trials(out.with_name("trials.rescued1.jsonl")).rows == reference.rows


def test_where_nothing_can_be_written_it_is_said(line, out, monkeypatch):
    def fails(*_):
        raise OSError(28, "No space left on device")

    with outfile.TrialsFile(out, {"task": "x"}, {}) as file:
        file.begin(4)
        out.unlink()
        monkeypatch.setattr(outfile, "written_whole", fails)
        with pytest.raises(InputError, match="cannot be written to another file: No space left on device"):
            file.add([{"trial": 0}])


def test_every_line_has_a_check_sum(line, reference, out):
    search.run(line, num_trials=COUNT, key=KEY, out=out)
    header, *rows = (json.loads(text) for text in out.read_text().splitlines())
    assert len(header[HEADER][CHECK]) == 8
    assert all(len(row[CHECK]) == 8 for row in rows)
    assert CHECK not in search.read_trials(out).keys()  # noqa: SIM118 - a mapping with columns
    with pytest.raises(InputError, match="has the name of another column"):
        search.run(line, {**line.space, CHECK: 1}, num_trials=2, key=KEY)
