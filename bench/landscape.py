"""Landscapes: CPU seconds against GraphFLA 0.4.0, memory, and ``nqjax landscape`` from the shell."""

import itertools
import json
import os
import statistics
import subprocess
import sys
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from bench.common import reference_folder, table, verdict
from nqjax.landscape.landscape import Landscape

#: Sizes of the synthetic grids.
SIZES = ((4,) * 5, (6,) * 5, (8,) * 5, (10,) * 5, (10,) * 6)

#: Files of the reference grids, with the beginning of their columns of scores, the sign of the loss, and targets of the
#: ratios: graph, optima and basins; everything.
FILES = {
    "nb201_cifar10": ("val_acc_", -1, 10, 4),
    "mlp_phoneme": ("val_acc_", -1, 20, 8),
    "fcnet_protein_structure": ("val_loss_", 1, 20, 8),
}

#: Targets of the synthetic grids by their numbers of configurations.
TARGETS = {10**5: (20, 4), 10**6: (10, 4)}


class Case(NamedTuple):
    """A grid, and the least ratios that are asked for."""

    name: str
    config: dict[str, Any]
    losses: np.ndarray
    basins_target: float | None
    all_target: float


def main(quick: bool = False) -> None:
    warnings.simplefilter("ignore")
    rows = []
    for case in _cases(quick):
        land, basins, everything = _ours(case)
        theirs_basins, theirs_all = _theirs(case)
        ratios = theirs_basins / basins, theirs_all / everything
        rows.append(
            [
                *(case.name, f"{len(land):,}", f"{land.graph.num_edges:,}"),
                *(f"{theirs_basins:.2f} s", f"{basins:.3f} s", _met(ratios[0], case.basins_target)),
                *(f"{theirs_all:.2f} s", f"{everything:.3f} s", _met(ratios[1], case.all_target)),
            ]
        )
    heads = ["GraphFLA, build and basins", "ours", "ratio", "GraphFLA, all it has", "ours, all metrics", "ratio"]
    table("CPU seconds of one landscape", ["grid", "configurations", "edges", *heads], rows)
    _memory(quick)
    _shell()


def _met(ratio: float, target: float | None) -> str:
    return (
        f"{ratio:.0f} x" if target is None else f"{ratio:.0f} x ({target:g} x: {verdict(ratio, target, at_least=True)})"
    )


def synthetic(sizes: tuple[int, ...]) -> tuple[dict[str, Any], np.ndarray]:
    """Return a bowl with noise on an ordered grid."""
    index = np.indices(sizes).reshape(len(sizes), -1)
    losses = sum((values / size - 0.4) ** 2 for values, size in zip(index, sizes, strict=True))
    return {f"h{i}": values for i, values in enumerate(index)}, losses + 0.05 * np.random.default_rng(0).normal(
        size=index.shape[1]
    )


def _cases(quick: bool) -> Iterator[Case]:
    for sizes in SIZES[: -1 if quick else None]:
        config, losses = synthetic(sizes)
        basins, everything = TARGETS.get(len(losses), (None, 4))
        yield Case(f"{sizes[0]}^{len(sizes)}, ordered", config, losses, basins, everything)
    folder = reference_folder()
    if folder is None or not (folder / "landscape").is_dir():
        return
    from pyarrow import parquet

    for name, (beginning, sign, basins, everything) in FILES.items():
        found = parquet.read_table(folder / "landscape" / f"{name}.parquet")
        runs = [np.array(found[c].to_pylist(), float) for c in found.column_names if c.startswith(beginning)]
        config = {c: np.array(found[c].to_pylist()) for c in found.column_names if not c.startswith(beginning)}
        yield Case(name, config, sign * np.nanmean(runs, axis=0), basins, everything)


def _least(function: Callable[[], Any], rounds: int) -> tuple[Any, float]:
    """Return the last result of a function and its least CPU time."""
    best = float("inf")
    for _ in range(rounds):
        began = time.process_time()
        result = function()
        best = min(best, time.process_time() - began)
    return result, best


def _ours(case: Case) -> tuple[Landscape, float, float]:
    rounds = 1 if len(case.losses) > 10**5 else 3

    def basins() -> Landscape:
        land = Landscape(case.config, case.losses)
        assert len(land.basins)
        return land

    def everything() -> None:
        basins().metrics(0.01)

    land, seconds = _least(basins, rounds)
    return land, seconds, _least(everything, rounds)[1]


def _theirs(case: Case) -> tuple[float, float]:
    """CPU seconds of building and descent, and of those with all other measures; negated losses are maximised."""
    import pandas as pd
    from graphfla.analysis import autocorrelation, fdc, global_optima_accessibility, neutrality
    from graphfla.landscape import Landscape as Theirs

    frame = pd.DataFrame(case.config)
    kinds = {name: "categorical" if values.dtype.kind in "UO" else "ordinal" for name, values in case.config.items()}
    rounds = 1 if len(case.losses) > 10**4 else 3

    def basins() -> Theirs:
        found = Theirs(kind="default", maximize=True)
        found.build_from_data(frame, -case.losses, data_types=kinds, verbose=False)
        assert len(found.basins) == len(case.losses)
        return found

    found, seconds = _least(basins, rounds)
    began = time.process_time()
    autocorrelation(found, seed=0)
    neutrality(found, threshold=0.01)
    global_optima_accessibility(found)
    if len(case.losses) < 10**6:
        fdc(found)
    return seconds, seconds + time.process_time() - began


def _memory(quick: bool) -> None:
    """Print the CPU seconds and the peak memory of large grids, each in a process of its own."""
    rows = []
    for sizes, seconds, gigabytes in (((10,) * 6, 6.0, 1.5), ((10,) * 7, 90.0, 8.0)):
        if quick and len(sizes) > 6:
            continue
        done = subprocess.run(
            [sys.executable, "-m", "bench.landscape", json.dumps(sizes)], check=True, capture_output=True, text=True
        )
        found = json.loads(done.stdout)
        cpu, memory = found["seconds"], found["gigabytes"]
        rows.append(
            [
                f"{found['configurations']:,}",
                f"{cpu:.1f} s ({seconds:g} s: {verdict(cpu, seconds, at_least=False)})",
                f"{memory:.2f} GB ({gigabytes:g} GB: {verdict(memory, gigabytes, at_least=False)})",
            ]
        )
    table("All metrics of one large grid", ["configurations", "CPU", "peak memory"], rows)


def _child(sizes: tuple[int, ...]) -> None:
    config, losses = synthetic(sizes)
    began = time.process_time()
    land = Landscape(config, losses)
    land.metrics(0.01)
    seconds = time.process_time() - began
    # The peak that getrusage reports begins with that of the parent.
    status = Path("/proc/self/status").read_text()
    memory = int(status.split("VmHWM:")[1].split()[0]) / 1e6
    print(json.dumps({"configurations": len(land), "seconds": seconds, "gigabytes": memory}))


def _shell() -> None:
    """Print the CPU seconds of the command from the shell, the noise simulation included; medians of 5."""
    folder = reference_folder()
    if folder is None or not (folder / "landscape").is_dir():
        return
    rows = []
    for name, (beginning, sign, _, _) in FILES.items():
        file = str(folder / "landscape" / f"{name}.parquet")
        direction = "--minimize" if sign > 0 else "--maximize"
        commands = [["--version"], ["landscape", file, "--metric", f"{beginning}*", direction, "--json"]]
        times = ([_cpu([sys.executable, "-m", "nqjax", *one]) for _ in range(5)] for one in commands)
        version, command = map(statistics.median, times)
        limit = 2 * (version + 2)
        met = verdict(command, limit, at_least=False)
        rows.append([name, f"{version:.2f} s", f"{command:.2f} s ({limit:.2f} s: {met})"])
    table("`nqjax landscape` from the shell, CPU", ["grid", "`nqjax --version`", "`nqjax landscape`"], rows)


def _cpu(command: list[str]) -> float:
    before = os.times()
    subprocess.run(command, check=True, capture_output=True)
    after = os.times()
    return sum(getattr(after, one) - getattr(before, one) for one in ("children_user", "children_system"))


if __name__ == "__main__":
    _child(tuple(itertools.chain(json.loads(sys.argv[1]))))
