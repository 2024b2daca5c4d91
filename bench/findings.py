"""Measure what landscapes of real grids say of the noisy quadratic and of the paper's claims: docs/findings.md."""

import contextlib
import io
import math
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

import nqjax
from bench.common import machine, reference_folder, table
from nqjax.landscape.landscape import Landscape
from nqjax.landscape.plateaus import components

#: The page, whose tables are written anew below this heading.
PAGE = Path(__file__).parents[1] / "docs" / "findings.md"
HEADING = "## Tables\n"

#: Random searches that are drawn from each grid, and the trials of each.
DRAWS = 30
TRIALS = 1024

#: Regimes that are fewer tolerances deep cannot be told from one valley.
DEEP = 3.0

#: Grids: the beginning of the columns of scores, the sign of the loss, and what 1 is in these scores.
GRIDS = {
    **dict.fromkeys(("mlp_phoneme", "mlp_australian", "mlp_car", "mlp_vehicle"), ("val_acc_", -1, 1.0)),
    **dict.fromkeys(("nb201_cifar10", "nb201_imagenet"), ("val_acc_", -1, 100.0)),
    **dict.fromkeys(("fcnet_naval_propulsion", "fcnet_protein_structure"), ("val_loss_", 1, 1.0)),
}

#: Pairs of columns of one file whose landscapes are compared: from, to.
PAIRS = {
    "digits_mlp_grid5_s0": [
        *((f"val_loss_{epoch}", "val_loss_30") for epoch in (1, 3, 10)),
        ("train_loss_30", "val_loss_30"),
    ],
    **{
        name: [
            ("test_error_10", "test_error_100"),
            ("test_error_30", "test_error_100"),
            ("train_error_100", "test_error_100"),
        ]
        for name in ("svm_digits", "svm_wine", "tree_digits", "tree_wine")
    },
}


class Drawn(NamedTuple):
    """Regime of one random search, and the grid inside it."""

    gamma: float
    share: float
    sigma: float
    inside: int  # all optima in the regime
    prominent: int | None
    depth: float
    largest: float  # the share of the largest connected part
    counting: tuple[str, ...]
    named: tuple[str, ...]  # the same from the trials alone
    seen: float
    expected: float
    geometry: float | None


def main(quick: bool = False) -> None:
    warnings.simplefilter("ignore")
    began = time.process_time()
    text = io.StringIO()
    with contextlib.redirect_stdout(text):
        lands = _landscapes()
        _regimes(lands, 2 if quick else DRAWS)
        _claims(lands, 20 if quick else 60)
        _noise(lands)
        _similarities(lands)
        print(f"\n{(time.process_time() - began) / 60:.1f} minutes of CPU: {machine()}.")
    print(text.getvalue())
    if PAGE.exists() and not quick:
        PAGE.write_text(PAGE.read_text().partition(HEADING)[0] + HEADING + text.getvalue())


def _read(name: str) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """Return the hyperparameters and the columns of scores of a file."""
    from pyarrow import parquet

    folder = reference_folder()
    if folder is None:
        raise FileNotFoundError("the grids are absent (set NQJAX_SHARED_DATA)")
    found = parquet.read_table(folder / "landscape" / f"{name}.parquet")
    columns = {c: np.array(found[c].to_pylist()) for c in found.column_names}
    scores = {c: v for c, v in columns.items() if "_acc" in c or "_loss" in c or "_error" in c}
    config = {c: v for c, v in columns.items() if c not in scores and c not in ("failed", "score")}
    return config, scores


def _landscapes() -> dict[str, Landscape]:
    lands = {}
    for name, (beginning, sign, unit) in GRIDS.items():
        config, scores = _read(name)
        runs = np.array([v for c, v in scores.items() if c.startswith(beginning)], float).T
        lands[name] = Landscape(config, sign * runs / unit)
    config, scores = _read("digits_mlp_grid5_s0")
    lands["digits_mlp"] = Landscape(config, scores["val_loss_30"].astype(float))
    return lands


def _plus(values: list[float], digits: int = 2) -> str:
    """Return a mean and the standard deviation over draws."""
    known = [value for value in values if value is not None and math.isfinite(value)]
    if not known:
        return ""
    if len(known) == 1:
        return f"{known[0]:.{digits}f}"
    return f"{np.mean(known):.{digits}f} ± {np.std(known, ddof=1):.{digits}f}"


def _regimes(lands: dict[str, Landscape], draws: int) -> None:
    valleys, hyperparameters = [], []
    for name, land in lands.items():
        found = [one for one in (_draw(land, seed) for seed in range(draws)) if one is not None]
        head = [name, f"{len(found)} of {draws}"]
        if not found:
            valleys.append([*head, *[""] * 8])
            continue
        valleys.append([*head, *_valley_cells(land, found)])
        hyperparameters.append([name, *_hyperparameter_cells(land, found)])
    title = f"Regimes of {draws} random searches of {TRIALS:,} trials a grid, and the grid inside them"
    heads = ["gamma", "share", "sigma, fit / seeds", "largest part", "optima inside", "prominent inside"]
    table(title, ["grid", "searches with a regime", *heads, "depth in tolerances", "one valley"], valleys)
    heads = ["counts in how many searches", "of these named by the trials alone", "others named"]
    heads += ["sum of relevance", "expected from gamma", "gamma from geometry", "gamma"]
    table("Hyperparameters that decide whether a configuration is in the regime", ["grid", *heads], hyperparameters)


def _valley_cells(land: Landscape, found: list[Drawn]) -> list[str]:
    deep = [one for one in found if one.prominent is not None and one.depth >= DEEP]
    single = sum(one.prominent == 1 for one in deep)
    ratio = "" if land.sigma is None else _plus([one.sigma / land.sigma for one in found])
    return [
        _plus([one.gamma for one in found], 1),
        _plus([one.share for one in found]),
        ratio,
        f"{min(one.largest for one in found):.3f} or more",
        _plus([one.inside for one in found], 0),
        _plus([one.prominent for one in deep], 1),
        _plus([one.depth for one in found if one.prominent is not None], 1),
        f"{single} of {len(deep)}" if deep else "cannot tell",
    ]


def _hyperparameter_cells(land: Landscape, found: list[Drawn]) -> list[str]:
    names = sorted(land.space.names, key=lambda name: -sum(name in one.counting for one in found))
    counts = [(name, sum(name in one.counting for one in found)) for name in names]
    ordered = all(axis.ordered for axis in land.space.axes)
    sums = [_plus([getattr(one, which) for one in found]) for which in ("seen", "expected", "geometry")]
    gamma = _plus([one.gamma for one in found], 1)
    both = sum(len(set(one.named) & set(one.counting)) for one in found)
    named = f"{both} of {sum(len(one.counting) for one in found)}"
    wrong = str(sum(len(set(one.named) - set(one.counting)) for one in found))
    every = ", ".join(f"{name} {count}" for name, count in counts)
    return [every, named, wrong, *(sums if ordered else [""] * 3), gamma]


def _codes(land: Landscape, rows: np.ndarray) -> list[tuple[Any, Any]]:
    return [(axis, codes[rows].tolist()) for axis, codes in zip(land.space.axes, land.space.codes, strict=True)]


def _draw(land: Landscape, seed: int) -> Drawn | None:
    """Fit a random search of one run of each configuration; return None where no threshold is acceptable."""
    rng = np.random.default_rng(seed)
    rows = rng.choice(len(land), TRIALS, replace=False)
    runs = land.replicates.runs[rows]
    # Any run that ended, the first one of a failed configuration.
    which = np.argmax(np.where(np.isfinite(runs), rng.random(runs.shape), -1.0), axis=1)
    scores = runs[np.arange(TRIALS), which]
    regime = nqjax.find_regime(scores)
    if not regime.found or regime.fit is None:
        return None
    threshold = float(regime.threshold)
    inside = land.heights.loss <= threshold
    if inside.sum() < 10:
        return None
    geometry = land.geometry(threshold)
    config = {axis.name: [axis.levels[code] for code in axis_codes] for axis, axis_codes in _codes(land, rows)}
    kinds = [axis.name for axis in land.space.axes if not axis.ordered]
    trials = Landscape(config, scores, categorical=kinds, keep=config).geometry(threshold)
    tolerance = land.noise_tolerance()
    depth = math.nan if not tolerance else (threshold - float(land.heights.levels[0])) / tolerance
    optima = land.heights.loss[land.basins.optima]
    prominent = None if not tolerance else sum(one.score <= threshold for one in land.optima(tolerance))
    start, end = land.graph.edges()
    both = inside[start] & inside[end]
    part = components(len(land), start[both], end[both])[inside]
    return Drawn(
        gamma=float(regime.fit.gamma),
        share=geometry.share,
        sigma=float(regime.fit.sigma),
        inside=int(np.sum(optima <= threshold)),
        prominent=prominent,
        depth=depth,
        largest=float(np.max(np.bincount(part)) / inside.sum()),
        counting=tuple(geometry.counting),
        named=tuple(trials.counting),
        seen=geometry.counting_total,
        expected=geometry.expected_total(float(regime.fit.gamma)),
        geometry=geometry.gamma,
    )


def _claims(lands: dict[str, Landscape], draws: int) -> None:
    """Print the numbers that the paper's claims are about, with 95 % intervals for a repetition of the runs."""
    rows = []
    for name, land in lands.items():
        if land.sigma is None:
            found, intervals = land.metrics(), {}
        else:
            redraws = land.redraw(draws)
            found, intervals = redraws.observed, redraws.intervals

        def shown(key: str, digits: int, found: Any = found, intervals: Any = intervals) -> str:
            value = getattr(found, key)
            if value is None:
                return ""
            ends = intervals.get(key)
            between = "" if ends is None else f" ({ends[0]:,.{digits}f} to {ends[1]:,.{digits}f})"
            return f"{value:,.{digits}f}{between}"

        keys = [("assortativity_rank", 3), ("neutrality", 2), ("ndc", 2), ("ndc_half", 2), ("fdc", 2)]
        keys += [("n_lo", 0), ("n_lo_prominent", 0), ("basin_global_share", 3), ("access_global", 2)]
        rows.append([name, *(shown(*key) for key in keys), f"{found.n_lo_flat_noise:,.0f}"])
    heads = ["L-ast", "neutrality", "NDC", "NDC, half", "FDC", "optima", "prominent", "basin of the best", "access"]
    table("Numbers of the grids", ["grid", *heads, "optima of flat noise"], rows)


def _noise(lands: dict[str, Landscape]) -> None:
    """Print how the number of optima falls as runs are averaged, and that of the prominent ones."""
    rows = []
    for name, land in lands.items():
        tolerance = land.noise_tolerance()
        if not tolerance:
            continue
        cells = []
        for seeds in (1, 2, land.num_seeds):
            config = {axis.name: _values(land, place) for place, axis in enumerate(land.space.axes)}
            kinds = [axis.name for axis in land.space.axes if not axis.ordered]
            part = Landscape(config, land.replicates.runs[:, :seeds], categorical=kinds, keep=config)
            cells.append(f"{len(part.basins):,} / {part.optima_above(tolerance)}")
        rows.append([name, f"{land.num_seeds}", *cells])
    title = "Optima / those deeper than the tolerance of all runs, if one run, two or all are averaged"
    table(title, ["grid", "runs", "one", "two", "all"], rows)


def _values(land: Landscape, place: int) -> list[Any]:
    levels = land.space.axes[place].levels
    return [levels[code] for code in land.space.codes[place]]


def _similarities(lands: dict[str, Landscape]) -> None:
    rows = [
        [name, "two runs", *_cells(ceiling)]
        for name, land in lands.items()
        for ceiling in [nqjax.seed_ceiling(land)]
        if ceiling is not None
    ]
    for name, pairs in PAIRS.items():
        config, scores = _read(name)
        for first, second in pairs:
            found = nqjax.similarity(*(Landscape(config, scores[one].astype(float)) for one in (first, second)))
            rows.append([name, f"{first} to {second}", *_cells(found)])
    for family in ("mlp", "nb201", "fcnet"):
        names = [name for name in lands if name.startswith(family) and name != "digits_mlp"]
        for place, second in enumerate(names):
            for first in names[:place]:
                found = nqjax.similarity(lands[first], lands[second])
                rows.append([family, f"{_data(first)} to {_data(second)}, all runs", *_cells(found)])
    table("Similarity", ["grid", "what", "Spearman", "best tenth in both", "regret of the first one's best"], rows)


def _data(name: str) -> str:
    return name.partition("_")[2]


def _cells(found: nqjax.Similarity) -> list[str]:
    form: Callable[[float], str] = "{:.3g}".format
    return [f"{found.spearman:.2f}", f"{found.gamma_set:.2f}", form(found.transfer_regret)]
