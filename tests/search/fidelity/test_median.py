"""The median stopping rule: against another statement of it, and going on after any end."""

import jax
import numpy as np
import pytest

import nqjax
from nqjax import search
from nqjax.errors import InputError
from nqjax.search import Choice, DiscreteUniform, MedianStopping
from nqjax.search.fidelity import staged
from support import tiny_task
from support.interrupts import stopped_after

KEY = jax.random.key(0)
COUNT = 45
BATCH = 10
#: Trials of several lengths and of two programs, some of which fail at once, and some later.
SPACE = {
    **tiny_task.Line.space,
    "epochs": DiscreteUniform(6, 12),
    "learning_rate": Choice(0.01, 0.03, 0.1, 0.2, 0.3, 2.2, 5.0, 1e9),
}


@pytest.fixture(scope="module")
def line():
    return tiny_task.Line()


@pytest.fixture(scope="module")
def whole(line):
    return search.run(line, SPACE, num_trials=COUNT, key=KEY)


@pytest.fixture(scope="module")
def found(line):
    return _run(line)


@pytest.fixture
def out(tmp_path):
    return tmp_path / "trials.jsonl"


def _run(line, method="median", count=COUNT, **options):
    return search.run(line, SPACE, num_trials=count, key=KEY, method=method, batch=BATCH, **options)


def _ends(curves, lengths, min_rounds, startup):
    """Return after how many rounds each trial ends, from whole curves, NaN where a trial failed."""
    ends = []
    for i, curve in enumerate(curves):
        first = i // BATCH * BATCH
        end = None
        for r in range(1, lengths[i] + 1):
            if not np.isfinite(curve[r - 1]):
                end = r
                break
            there = [curves[j][:r] for j in range(first) if ends[j] >= r and np.all(np.isfinite(curves[j][:r]))]
            means = [np.mean(values) for values in there]
            if r >= min_rounds and len(means) >= startup and np.min(curve[:r]) > np.median(means):
                end = r
                break
        ends.append(end or lengths[i])
    return ends


@pytest.mark.parametrize(("min_rounds", "startup"), [(1, 10), (4, 3)])
def test_trials_stop_where_another_program_stops_them(line, whole, min_rounds, startup):
    """On the whole learning curves of the random search, of which the trials are the beginnings, to the last bit."""
    found = _run(line, MedianStopping(min_rounds=min_rounds, startup=startup))
    ends = _ends(whole.curves("val_loss"), whole["rounds"].tolist(), min_rounds, startup)
    assert found["trained"].tolist() == ends
    for row, full in zip(found.rows, whole.rows, strict=True):
        for name, values in full["curve"].items():
            assert row["curve"][name] == values[: row["trained"]]
        stopped = row["trained"] < row["rounds"] and not row["failed"]
        assert row["status"] == ("pruned" if stopped else "finished")
    pruned = found["status"] == "pruned"
    assert not pruned[:BATCH].any()
    assert 5 < pruned.sum() < COUNT - BATCH
    assert found["trained"][pruned].min() == min_rounds
    assert found.failed.any()


def test_more_trials_go_on_from_a_file_and_fewer_read_a_part_of_it(line, found, out):
    few = _run(line, count=23, out=out)
    assert few.rows == found.rows[:23]
    assert _run(line, out=out).rows == found.rows
    assert _run(line, count=23, out=out).rows == few.rows
    assert search.read_trials(out).rows == found.rows


def test_a_search_cut_off_anywhere_goes_on_to_the_same_table(line, found, out, monkeypatch):
    texts = []
    append = staged.TrialsFile.add
    monkeypatch.setattr(
        staged.TrialsFile, "add", lambda self, rows: (append(self, rows), texts.append(out.read_bytes()))
    )
    assert _run(line, out=out).rows == found.rows
    monkeypatch.undo()
    whole_file = out.read_bytes()
    rng = np.random.default_rng(0)
    for text in [texts[i] for i in rng.choice(len(texts), 6, replace=False)] + texts[-1:]:
        out.write_bytes(text[: rng.integers(len(text) - 200, len(text) + 1)])
        assert _run(line, out=out).rows == found.rows
        assert out.read_bytes() == whole_file


def test_a_stop_within_a_round_goes_on_from_its_checkpoint(line, found, out, monkeypatch):
    for limit in (3, 8, 30):
        with stopped_after(limit, monkeypatch):
            _run(line, out=out, checkpoint_every=0)
    assert _run(line, out=out).rows == found.rows


def test_higher_scores_that_are_better(line):
    class Upwards(tiny_task.Line):
        score, minimize = "gain", False

        def evaluate(self, state, config, batch):
            return {"gain": -super().evaluate(state, config, batch)["val_loss"]}

    space = {**SPACE, "batch_size": 8}
    up = search.run(Upwards(), space, num_trials=30, key=KEY, method="median", batch=BATCH)
    down = search.run(line, space, num_trials=30, key=KEY, method="median", batch=BATCH)
    assert up["trained"].tolist() == down["trained"].tolist()
    assert (up["status"] == "pruned").any()


def test_readers_know_stopped_trials(line, found, out):
    _run(line, out=out)
    study = nqjax.read_study(out)
    pruned = found["status"] == "pruned"
    assert (study.status == "pruned").tolist() == pruned.tolist()
    assert np.isnan(study.scores[pruned]).all()
    assert study.sampler == "median"
    assert any("pruned" in text for text in study.warnings)
    with pytest.raises(InputError, match=r"were stopped early.*full trainings"):
        nqjax.worth([found], np.linspace(0, 1, 100))


def test_what_does_not_fit_is_refused_in_one_line(line, out):
    _run(line, out=out)
    cases = [
        ({"method": MedianStopping(min_rounds=2), "out": out}, "min_rounds = 1"),
        ({"method": MedianStopping(min_rounds=12)}, "longest training has 12 rounds"),
        ({"method": MedianStopping(min_rounds=0)}, "min_rounds is 0"),
        ({"method": MedianStopping(startup=0)}, "startup is 0"),
        ({"method": MedianStopping}, r"give an instance, MedianStopping\(\)"),
    ]
    for options, part in cases:
        with pytest.raises(InputError, match=part) as error:
            _run(line, **options)
        assert "\n" not in str(error.value)
    with pytest.raises(InputError, match="batch = 10"):
        search.run(line, SPACE, num_trials=COUNT, key=KEY, method="median", batch=9, out=out)
