"""Everything that the README and the docs show is run: blocks of Python, and commands."""

import contextlib
import itertools
import json
import os
import re
import shlex
import shutil
import sqlite3
from pathlib import Path
from typing import NamedTuple

import jax
import numpy as np
import pyarrow as pa
import pytest
from pyarrow import parquet

from nqjax import cli

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]

#: Blocks of Python that are not run here, by the page and a part of their text, and why.
SKIPPED = {
    ("docs/searching.md", "class Circle(Task)"): "it trains models; tests/search/test_search_docs.py runs it",
    ("docs/howto.md", "from ray import tune"): "it needs Ray; tests/integrations/test_ray.py runs such a search",
    ("docs/many.md", "jax.distributed.initialize()"): "it needs several hosts",
}

#: Commands that are only parsed, because they train models or run thousands of searches.
TRAINING = ("search", "residual", "ablation")

#: Settings of JAX that a block may change.
SETTINGS = (
    "jax_compilation_cache_dir",
    "jax_persistent_cache_min_compile_time_secs",
    "jax_persistent_cache_min_entry_size_bytes",
)

_BLOCK = re.compile(r"^```python\n(.*?)^```", re.DOTALL | re.MULTILINE)
_COMMAND = re.compile(r"^(?:\$ | {4}(?:\$ )?)nqjax (.*)$", re.MULTILINE)


class Snippet(NamedTuple):
    """A part of a page."""

    page: str
    line: int
    text: str


def found(pattern, path):
    text = path.read_text(encoding="utf-8")
    page = str(path.relative_to(ROOT))
    return [Snippet(page, text.count("\n", 0, one.start(1)) + 1, one[1]) for one in pattern.finditer(text)]


BLOCKS = {path: found(_BLOCK, path) for path in PAGES}
COMMANDS = [command for path in PAGES for command in found(_COMMAND, path)]


def is_skipped(block):
    return any(page == block.page and part in block.text for page, part in SKIPPED)


# --- files ------------------------------------------------------------------------------------------------------------


def scores(seed, num=64):
    """Return errors: most of them follow a noisy quadratic from 0.09 on, the others are worse."""
    rng = np.random.default_rng(seed)
    near = 0.09 + 0.05 * rng.random(num) + 1e-3 * rng.normal(size=num)
    return np.where(rng.random(num) < 0.7, near, 0.14 + 0.8 * rng.random(num))


def rows_of(y):
    rng = np.random.default_rng(9)
    shared = {"State": "finished"}
    return [
        {
            "lr": 0.1 * float(rng.random()),
            **shared,
            "seconds": 60 + 30 * float(rng.random()),
            "error": e,
            "val_loss": 4 * e,
            "accuracy": 1 - e,
        }
        for e in y.tolist()
    ]


def reruns(*names):
    """Return six runs of each of eight configurations, which have as many columns as there are names."""
    rng = np.random.default_rng(5)
    return [
        {**{name: i // (1 + 2 * place) for place, name in enumerate(names)}, "error": e}
        for i in range(8)
        for e in (0.095 + 0.002 * i + 1e-3 * rng.normal(size=6)).tolist()
    ]


def write(path, rows):
    lines = [",".join(rows[0]), *(",".join(str(cell) for cell in row.values()) for row in rows)]
    Path(path).write_text("\n".join(lines) + "\n", encoding="utf-8")


@pytest.fixture
def files(tmp_path, monkeypatch):
    """Write the files that the snippets name, into the folder in which they run."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    ours, theirs, third = (rows_of(scores(seed)) for seed in (0, 1, 3))
    for name, rows in (("trials", ours), ("ours", ours), ("other", theirs), ("theirs", theirs), ("baseline", third)):
        write(f"{name}.csv", rows)
    Path("trials.jsonl").write_text("".join(json.dumps(row) + "\n" for row in ours), encoding="utf-8")
    parquet.write_table(pa.table({"metrics.val_loss": [row["val_loss"] for row in ours]}), "trials.parquet")
    for i in range(2):
        write(f"shard-{i}.csv", ours[32 * i : 32 * i + 32])
        Path("sweeps").mkdir(exist_ok=True)
        write(f"sweeps/{i}.csv", (ours, theirs)[i])
    for i in range(1, 4):
        write(f"tpe_{i}.csv", rows_of(scores(10 + i, 20)))
    write("random.csv", rows_of(scores(20, 300)))
    write("retrained.csv", reruns("config_id"))
    write("runs.csv", reruns("learning_rate", "batch_size"))
    write("reruns.csv", reruns("config", "lr", "depth"))
    y, rng = scores(2), np.random.default_rng(6)
    write(
        "repeated.csv",
        [{"lr": i // 2, "error": e} for i, e in enumerate(np.repeat(y[:32], 2) + 1e-3 * rng.normal(size=64))],
    )
    seeds = y[:, None] + 1e-3 * rng.normal(size=(64, 3))
    write("seeds.csv", [{"mean_error": one.mean(), **{f"seed_{i}": e for i, e in enumerate(one)}} for one in seeds])
    grid()
    learning_curves()
    database(tmp_path / "study.db")
    for i, e in enumerate(y.tolist()):
        ray_trial(Path("ray_results", "my_exp", f"trial_{i}"), i, [e + 0.1, e, e + 0.01])
    return tmp_path


def learning_curves():
    """Write the curves of 60 trials, a row an epoch."""
    ends = scores(9, 60)
    rows = [{"trial": i, "epoch": k, "val_loss": end + 1 / k} for i, end in enumerate(ends) for k in range(1, 10)]
    write("curves.csv", rows)


def grid():
    """Write a complete grid: three seeds in columns, and learning curves of one seed."""
    rng = np.random.default_rng(8)
    rows, lines = [], []
    for i, j, op in itertools.product(range(6), range(5), ("conv", "pool")):
        config = {"lr": 10.0 ** (i - 5), "width": 2**j, "op": op}
        losses = 0.2 + 0.05 * (i - 2) ** 2 + 0.02 * (j - 3) ** 2 + 1e-2 * rng.normal(size=10)
        rows.append({**config, **{f"val_loss_{seed}": loss for seed, loss in enumerate(losses[:3])}})
        curve = (losses + 1 / np.arange(1, 11)).tolist()
        lines.append(json.dumps({**config, "val_loss": min(curve), "curve.val_loss": curve}) + "\n")
    write("grid.csv", rows)
    Path("grid.jsonl").write_text("".join(lines), encoding="utf-8")


def database(path):
    """Write a database of Optuna with a study of the name that the README has."""
    shutil.copy(ROOT / "tests" / "data" / "tools" / "optuna.db", path)
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.execute("update studies set study_name = 'resnet' where study_name = 'minimize'")
        connection.commit()


def ray_trial(folder, i, losses):
    folder.mkdir(parents=True)
    config = {"lr": 0.01 * i}
    reports = [
        {"eval/loss": loss, "training_iteration": t, "trial_id": str(i), "config": config}
        for t, loss in enumerate(losses, start=1)
    ]
    Path(folder, "params.json").write_text(json.dumps(config), encoding="utf-8")
    Path(folder, "result.json").write_text("".join(json.dumps(one) + "\n" for one in reports), encoding="utf-8")


# --- Python -----------------------------------------------------------------------------------------------------------


def run(block, names):
    """Run a block of a page, as a reader does who pastes it below those before it."""
    before = {name: getattr(jax.config, name) for name in SETTINGS}
    code = compile("\n" * (block.line - 1) + block.text, str(ROOT / block.page), "exec")
    try:
        exec(code, names)
    finally:
        for name, value in before.items():
            jax.config.update(name, value)


@pytest.mark.parametrize("path", [path for path in PAGES if BLOCKS[path]], ids=lambda path: path.name)
def test_every_block_of_python_runs(path, files, capsys):
    # docs/many.md speaks of studies before its first block.
    names = {"__name__": "snippets", "studies": [scores(0), scores(1)]}
    for block in BLOCKS[path]:
        if not is_skipped(block):
            run(block, names)


def test_what_is_skipped_is_there():
    for page, part in SKIPPED:
        blocks = BLOCKS[ROOT / page]
        assert any(part in block.text for block in blocks), f"{page} has no block with {part!r}"


# --- commands ---------------------------------------------------------------------------------------------------------


def argv_of(command):
    """Return the arguments of a command as a shell passes them on."""
    words = shlex.split(command.text, comments=True)
    words = words[: words.index("|")] if "|" in words else words
    return [os.path.expanduser(word) for word in words]  # noqa: PTH111 - a shell does this, too


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: f"{command.page}:{command.line}")
def test_every_command_runs(command, files, capsys):
    argv = argv_of(command)
    args = cli.parse(argv)
    assert args.command == argv[0]
    runs = argv[0] == "worth" and "--against" not in argv
    if (argv[0] in TRAINING and "--list" not in argv) or runs or "--report" in argv:
        return  # the page of --report is written by a block of Python, too, and takes long
    status = cli.main(argv)
    captured = capsys.readouterr()
    assert status == 0, captured.err
    assert captured.out
