"""Population-based training: decisions against another program, weights along their lineage, going on after any end."""

import hashlib
import json
import math

import jax
import numpy as np
import pytest

import nqjax
from nqjax import cli, search
from nqjax.errors import InputError
from nqjax.search import (
    Choice,
    Derived,
    DiscreteUniform,
    LogUniform,
    PopulationBasedTraining,
    SuccessiveHalving,
    Uniform,
)
from nqjax.search.engine import population
from nqjax.search.fidelity import staged
from nqjax.search.runner import key_words, trial_words
from support import tiny_task
from support.interrupts import stopped_after

KEY = jax.random.key(0)
COUNT = 30
SIZE = 13
INTERVAL = 3
PART = population.Part.none(4)
PBT = PopulationBasedTraining(population=SIZE, interval=INTERVAL)
#: Trials of several lengths and of two programs, some of which fail at once, and some later.
SPACE = {
    "learning_rate": Choice(0.01, 0.03, 0.1, 0.2, 0.3, 2.2, 5.0, 1e9),
    "epochs": DiscreteUniform(9, 16),
    "batch_size": Choice(4, 8),
    "noise": Uniform(0.01, 0.1),
    "rate": LogUniform(1e-3, 1),
    "twice": Derived(lambda config: 2 * config["noise"]),
    "depth": DiscreteUniform(1, 6),
}
#: Those that change neither the program nor the length.
CHANGED = ("learning_rate", "noise", "rate", "depth")


@pytest.fixture(scope="module")
def line():
    return tiny_task.Line()


@pytest.fixture(scope="module")
def found(line):
    return _run(line)


@pytest.fixture
def out(tmp_path):
    return tmp_path / "trials.jsonl"


def _run(line, method=PBT, **options):
    return search.run(line, SPACE, num_trials=COUNT, key=KEY, method=method, **options)


def test_without_exploits_it_is_a_random_search(line):
    """To the last bit, although all trials pause every three rounds."""
    whole = search.run(line, SPACE, num_trials=COUNT, key=KEY)
    paused = _run(line, PopulationBasedTraining(population=SIZE, interval=INTERVAL, exploit_probability=0.0))
    for row, full in zip(paused.rows, whole.rows, strict=True):
        assert {name: row[name] for name in full} == full
        assert row["lineage"] == [[row["trial"], 0]]
        assert row["compared"] == []
    assert whole.failed.sum() > 3


# --- another program, after the paper ---------------------------------------------------------------------------------


def _random(words, trial, rounds, name, count):
    digest = np.frombuffer(hashlib.sha256(name.encode()).digest()[:16], "<u4")
    seeds = np.random.SeedSequence([*words, trial, rounds, *digest.tolist()])
    return np.random.Generator(np.random.Philox(seeds)).random(count)


def _perturb(name, value, words, trial, rounds, low=0.8, high=1.2):
    coin, side, place = _random(words, trial, rounds, name, 3)
    factor, again = (high if side >= 0.5 else low), coin < 0.25
    if name == "learning_rate":
        values = SPACE[name].values
        here = values.index(value)
        return values[int(8 * place)] if again else values[np.clip(here + np.sign(factor - 1), 0, 7).astype(int)]
    if name == "noise":
        return 0.01 + 0.09 * (place if again else min((value - 0.01) / 0.09 * factor, 1))
    if name == "rate":
        return 10 ** (3 * place - 3) if again else float(np.clip(value * factor, 1e-3, 1))
    new = 1 + int(6 * place) if again else int(np.rint(1 + (value - 1) * factor))
    return int(np.clip(value + np.sign(factor - 1) if new == value and not again else new, 1, 6))


def _reference(score_of, configs, lengths, words):
    """Return the lineage and hyperparameters of each trial; ``score_of(lineage, configs, rounds)`` trains."""
    members = [
        ([(i, 0)], [dict(config)], length) for i, (config, length) in enumerate(zip(configs, lengths, strict=True))
    ]
    for rounds in range(INTERVAL, 16, INTERVAL):
        for first in range(0, COUNT, SIZE):
            group = [i for i in range(first, min(first + SIZE, COUNT)) if members[i][2] > rounds]
            scores = np.array([score_of(*members[i][:2], rounds) for i in group])
            order = np.argsort(scores, kind="stable")  # infinite ones last
            share = min(max(len(group) // 5, 1), len(group) // 2)
            best = [group[k] for k in order[:share] if np.isfinite(scores[k])]
            worst = {group[k] for k in order[len(group) - share :]} | {
                g for g, s in zip(group, scores, strict=True) if s == np.inf
            }
            before = list(members)
            for i in sorted(worst) if best else []:
                parent = best[int(_random(words, i, rounds, "", 2)[1] * len(best))]
                lineage, schedule, length = before[parent]
                changed = {
                    n: _perturb(n, schedule[-1][n], words, i, rounds)
                    for n in ("learning_rate", "noise", "rate", "depth")
                }
                members[i] = [*lineage, (i, rounds)], [*schedule, {**schedule[-1], **changed}], length
    return members


def _trainer(task, words, device):
    """Return a function that trains along a lineage, one trial by itself, and returns its scores after each round."""
    kept = {}

    def train(lineage, configs, rounds):
        parts = tuple((i, begin, json.dumps(config)) for (i, begin), config in zip(lineage, configs, strict=True))
        state, curve, key = None, [], ()
        for place, ((number, begin), config) in enumerate(zip(lineage, configs, strict=True)):
            end = lineage[place + 1][1] if place + 1 < len(lineage) else rounds
            static = {"batch_size": config["batch_size"]}
            dtypes = {n: np.int32 if n in ("epochs", "depth") else np.float32 for n in SPACE if n != "batch_size"}
            name = ("program", config["batch_size"])
            program = kept.setdefault(name, population.Program(task, static, dtypes, 4, "cpu"))
            full = {**config, "twice": 2 * config["noise"]}
            arrays = {n: np.full(4, full[n], dtype) for n, dtype in dtypes.items()}
            arrays["num_rounds"] = np.full(4, config["epochs"], np.int32)
            own = np.tile(np.array(words[number], np.uint32), (4, 1))
            with jax.enable_x64(False):
                if state is None:
                    state = program.start(device, program.empty_state(arrays, own), arrays, own, np.ones(4, bool))
                for at in range(begin, end):
                    key = (*parts[: place + 1], at)
                    if key not in kept:
                        before = jax.tree.map(np.array, state)
                        after, _, loss = program.train_round(
                            device,
                            before,
                            arrays,
                            own,
                            np.full(4, at, np.int32),
                            population.Part.none(4),
                            lambda: False,
                        )
                        score = program.evaluate(device, after, arrays)["val_loss"][0]
                        kept[key] = (
                            jax.tree.map(np.array, after),
                            float(str(score if np.isfinite(loss[0]) else math.nan)),
                        )
                    state, score = kept[key]
                    curve.append(score)
                    if not np.isfinite(score):
                        return curve
        return curve

    return train


def test_decisions_and_weights_equal_another_program(line, found):
    """Everything again without lanes, bank or file: each trial by itself, along its lineage."""
    whole = search.run(line, SPACE, num_trials=COUNT, key=KEY)
    configs = [{name: row[name] for name in SPACE if name != "twice"} for row in whole.rows]
    words = key_words(KEY)
    train = _trainer(line, trial_words(KEY, range(COUNT)), jax.devices("cpu")[0])

    def score_of(lineage, schedule, rounds):
        curve = train(lineage, schedule, rounds)
        return curve[-1] if len(curve) == rounds and np.isfinite(curve[-1]) else np.inf

    members = _reference(score_of, configs, [row["rounds"] for row in whole.rows], words)
    for row, (lineage, schedule, length) in zip(found.rows, members, strict=True):
        assert row["lineage"] == [list(part) for part in lineage]
        assert row["rounds"] == length
        for now, then in zip(row["schedule"], schedule, strict=True):
            assert now == pytest.approx(then, rel=1e-12)
        assert {name: row[name] for name in row["schedule"][-1]} == row["schedule"][-1]
        assert row["twice"] == 2 * row["noise"]
        assert [type(row[name]) for name in CHANGED] == [float, float, float, int]
        curve = train(lineage, row["schedule"], length)
        assert row["curve"]["val_loss"] == [value if np.isfinite(value) else None for value in curve]
    copied = [row for row in found.rows if len(row["lineage"]) > 1]
    assert len(copied) > COUNT // 3
    assert max(len(row["lineage"]) for row in copied) > 2
    assert any(None in row["compared"] for row in copied)  # failed trials took over the weights of others
    assert len({row["batch_size"] for row in copied}) == 2


def test_a_burn_in_delays_the_first_exploit(line):
    found = _run(line, PopulationBasedTraining(population=SIZE, interval=INTERVAL, burn_in=7))
    begun = {begin for row in found.rows for _, begin in row["lineage"][1:]}
    assert min(begun) == 9
    other = _run(line, PopulationBasedTraining(population=SIZE))
    assert other.settings["sampling"]["interval"] == 1


# --- going on ---------------------------------------------------------------------------------------------------------


def _files(monkeypatch, out):
    """Return what the file has after each addition to it, in a list that grows."""
    texts = []
    append = staged.TrialsFile.add
    monkeypatch.setattr(
        staged.TrialsFile, "add", lambda self, rows: (append(self, rows), texts.append(out.read_bytes()))
    )
    return texts


def test_a_search_cut_off_anywhere_goes_on_to_the_same_table(line, found, out, monkeypatch):
    """Without the weights, which are trained again along their lineage; the file can always be read."""
    texts = _files(monkeypatch, out)
    assert _run(line, out=out).rows == found.rows
    monkeypatch.undo()
    whole_file = out.read_bytes()
    assert search.read_trials(out).rows == found.rows
    assert len(texts) > 12
    rng = np.random.default_rng(0)
    cut = [texts[0], *(texts[i] for i in rng.choice(len(texts), 6, replace=False)), texts[-1], whole_file]
    for text in cut:
        out.write_bytes(text[: rng.integers(len(text) - 300, len(text) + 1)])
        assert _run(line, out=out).rows == found.rows
        assert out.read_bytes() == whole_file


def test_a_finished_search_trains_nothing_again(line, found, out, monkeypatch):
    _run(line, out=out)
    monkeypatch.setattr(population.Program, "train_round", None)
    assert _run(line, out=out).rows == found.rows


def test_a_trial_that_is_removed_from_the_file_is_trained_again(line, found, out, monkeypatch):
    texts = _files(monkeypatch, out)
    _run(line, out=out)
    monkeypatch.undo()
    for text in (out.read_bytes(), texts[len(texts) // 2]):
        lines = text.splitlines(keepends=True)
        out.write_bytes(b"".join(one for one in lines if not one.startswith((b'{"trial": 3,', b'{"trial": 20,'))))
        assert _run(line, out=out).rows == found.rows


def test_a_stop_within_a_round_goes_on_from_its_checkpoint(line, found, out, monkeypatch):
    for limit in (2, 9, 23, 40):
        with stopped_after(limit, monkeypatch):
            _run(line, out=out, checkpoint_every=0)
    assert _run(line, out=out).rows == found.rows
    assert not out.with_name("trials.jsonl.checkpoints").exists()


def test_weights_are_saved_and_damaged_ones_trained_again(line, found, out, monkeypatch):
    """A search that ends after 9 rounds of each trial goes on from there, without its first rounds."""
    train, places = population.Program.train_round, []
    states = out.with_name("trials.jsonl.states")

    def counted(self, device, state, configs, words, rounds, *these):
        places.append(int(rounds.max()))
        if len(places) == limit:
            raise KeyboardInterrupt
        return train(self, device, state, configs, words, rounds, *these)

    monkeypatch.setattr(population.Program, "train_round", counted)
    kept = staged.SavedStates
    monkeypatch.setattr(staged, "SavedStates", lambda checkpoints, every: kept(checkpoints, 0.0))
    for damaged in (False, True):
        out.unlink(missing_ok=True)
        places.clear()
        limit = 75
        with pytest.raises(KeyboardInterrupt):
            _run(line, out=out)
        assert 6 <= places[-1] < 12
        assert states.exists()
        for file in states.glob("states/*/state/**/*") if damaged else ():
            if file.is_file():
                file.write_bytes(b"damaged")
        places.clear()
        limit = 0
        assert _run(line, out=out).rows == found.rows
        assert (min(places) == 0) == damaged
        assert not states.exists()


def test_streams_and_higher_scores():
    class Upwards(tiny_task.StreamedLine):
        score, minimize = "gain", False

        def evaluate(self, state, config, batch):
            metrics = super().evaluate(state, config, batch)
            return {"gain": -metrics["val_loss"]}

    space = {**tiny_task.Line.space, "epochs": 9, "batch_size": 8}
    found = search.run(Upwards(), space, key=KEY, method=PopulationBasedTraining(population=10, interval=3))
    first = {row["trial"]: row["curve"]["gain"][2] for row in found.rows if len(row["lineage"]) == 1}
    replaced = [row["trial"] for row in found.rows if [row["trial"], 3] in row["lineage"]]
    assert len(found) == 10
    assert len(replaced) == 2
    assert max(found.rows[i]["compared"][0] for i in replaced) < min(first.values())


# --- files, words -----------------------------------------------------------------------------------------------------


def test_readers_know_how_a_trial_came_about(line, found, out):
    _run(line, out=out)
    study = nqjax.read_study(out)
    assert study.sampler == "pbt"
    assert any("pbt" in text and "random search" in text for text in study.warnings)
    assert set(study.status) <= {"finished", "failed"}
    assert set(study.config) == {"learning_rate", "epochs", "batch_size", "noise", "rate", "depth"}
    assert {study.roles[name] for name in ("lineage", "schedule", "compared")} == {"other"}
    known = np.isfinite(found.scores)
    assert study.scores[known & ~found.failed].tolist() == found.scores[known & ~found.failed].tolist()
    for one in (study, found):
        with pytest.raises(InputError, match="a row for each population") as error:
            nqjax.worth([one], np.linspace(0, 1, 100))
        assert "\n" not in str(error.value)
    assert found["lineage"][0] == found.rows[0]["lineage"]
    assert found["compared"].shape == found["schedule"].shape == (COUNT,)


def test_trials_under_way_are_said_to_run(line, out, monkeypatch, capsys):
    texts = _files(monkeypatch, out)
    _run(line, out=out)
    out.write_bytes(texts[3])
    study = nqjax.read_study(out)
    assert "running" in set(study.status)
    assert np.isnan(study.scores[study.status == "running"]).all()
    lines = [one for one in texts[3].splitlines(keepends=True) if b'"running"' in one or b"nqjax_search" in one]
    out.write_bytes(b"".join(lines))
    assert cli.main(["fit", str(out)]) == 2
    assert "trials have not ended" in capsys.readouterr().err


def test_weights_that_do_not_fit_the_memory_are_an_error(line, monkeypatch):
    monkeypatch.setattr(staged, "_SHARE", 0.0)
    with pytest.raises(InputError, match="give fewer trials") as error:
        _run(line)
    assert "\n" not in str(error.value)


def test_what_does_not_fit_is_refused_in_one_line(line, out):
    _run(line, out=out)
    before = out.read_bytes()
    cases = [
        ({"num_trials": COUNT + 1, "method": PBT, "out": out}, "num_trials = 30"),
        (
            {"num_trials": COUNT, "method": PopulationBasedTraining(population=SIZE, interval=4), "out": out},
            "interval = 3",
        ),
        ({"num_trials": COUNT, "method": SuccessiveHalving(), "out": out}, "halving"),
        ({"method": PopulationBasedTraining(interval=16)}, "longest training has 16 rounds"),
        ({"method": PopulationBasedTraining(burn_in=16)}, "last comparison is after 15 rounds"),
        ({"method": PopulationBasedTraining(population=1)}, "population is 1"),
        ({"method": PopulationBasedTraining(interval=0)}, "interval is 0"),
        ({"method": PopulationBasedTraining(truncation=0.6)}, "truncation is 0.6"),
        ({"method": PopulationBasedTraining(resample=2)}, "resample is 2"),
        ({"method": PopulationBasedTraining(exploit_probability=-1)}, "exploit_probability is -1"),
        ({"method": PopulationBasedTraining(factors=(0.8,))}, "factors is"),
        ({"method": PopulationBasedTraining(factors=(1.2, 0.8))}, "factors is"),
        ({"method": PopulationBasedTraining(burn_in=-1)}, "burn_in is -1"),
        ({"method": PopulationBasedTraining}, r"give an instance, PopulationBasedTraining\(\)"),
        ({"num_trials": 1, "method": "pbt"}, "num_trials is 1"),
        ({"grid": 2, "method": "pbt"}, "not both"),
    ]
    for options, part in cases:
        with pytest.raises(InputError, match=part) as error:
            search.run(line, SPACE, key=KEY, **options)
        assert "\n" not in str(error.value)
    assert out.read_bytes() == before
    with pytest.raises(InputError, match="'schedule' has the name"):
        search.run(line, {**SPACE, "schedule": 1}, key=KEY, method="pbt")
    with pytest.raises(InputError, match="which a table cannot run"):
        search.replay(search.curve_table([[1.0, 0.5]], minimize=True), ["pbt"], replications=1, budget=1, key=KEY)
