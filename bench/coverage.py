"""The coverage study: how often the intervals of each method hold the truth, and how wide they are.

    python -m bench coverage [--quick]

Searches are drawn from a noisy quadratic whose best 60 % are the regime; beyond its threshold the scores run off
exponentially, as those of real searches do. Each is analysed with the true threshold and with the one that
`nqjax.find_regime` chooses. Chunks are kept in ``$NQJAX_BENCH_CACHE`` (default ``build/bench``) as they are done: after
Ctrl-C the same command goes on. A chunk that was made by other settings is made again.
"""

import itertools
import json
import math
import time
import warnings
from pathlib import Path
from typing import Any

import jax
import numpy as np

import nqjax
from bench import coverage_report
from bench.common import cache_folder
from bench.coverage_report import LEVELS, QUANTITIES, THRESHOLDS, Cell, Part
from nqjax import fit_many
from nqjax.checks.regime import find_regimes
from nqjax.confidence.bands import order_statistic_band
from nqjax.confidence.consonance import region_within
from nqjax.confidence.level_sets import Resolution, level_sets
from nqjax.confidence.profile import allowed_excess
from nqjax.estimation.constraints import read_constraints
from nqjax.estimation.fit import Fit
from nqjax.estimation.resamples import COLUMNS, Resampler
from nqjax.estimation.study import Study, prepare
from nqjax.runtime.parallel import in_parallel
from nqjax.special.chunked import best_of, standard_cdf, standard_quantile

GAMMAS = (1, 2, 3, 4)
#: sigma / (beta - alpha).
NOISES = (0.01, 0.05, 0.2)
#: Trials of a search.
SIZES = (24, 48, 96)
#: Share of the scores in the regime.
REGIME = 0.6
#: Rate at which scores beyond the threshold grow.
TAIL = 2.0
#: Searches of a cell.
SEARCHES = 1000
#: Searches in a file of the cache.
CHUNK = 250
#: Resamples of a bootstrap.
RESAMPLES = 39
#: Searches of a cell with a consonance region or a posterior, which are costly.
REGIONS = 52
FREE = read_constraints(None, None, (1, 5), None, True)
PARTS = ("regimes", "profile", "bootstrap", "consonance", "posterior")
#: Parts that are costly: they have some of the searches only.
COSTLY = ("consonance", "posterior")
#: Seconds after which a chunk that another process has begun is taken over.
ABANDONED = 1800
#: Raised with every change to what is in a chunk.
VERSION = 2


class Search(Cell):
    """A cell, with how its searches are drawn and what is true of them."""

    __slots__ = ()

    @property
    def threshold(self) -> float:
        return float(standard_quantile(math.log1p(-REGIME), self.s, float(self.gamma)))

    def curve(self) -> np.ndarray:
        """The true tuning curve at 2n and 10n."""
        log_tail = math.log(0.5) / np.array([2.0 * self.n, 10.0 * self.n])
        return standard_quantile(log_tail, self.s, float(self.gamma))

    def draw(self, rng: np.random.Generator, count: int) -> np.ndarray:
        size = count, self.n
        y = rng.uniform(size=size) ** (2 / self.gamma) + self.s * rng.normal(size=size)
        over = np.maximum(y - self.threshold, 0) / self.threshold
        return np.where(over > 0, self.threshold * (1 + np.expm1(TAIL * over) / TAIL), y)


# --- one chunk ------------------------------------------------------------------------------------------------------

Ends = np.ndarray  # (searches, levels, quantities, 2): lower and upper end


def study(part: str, cell: Search, chunk: int, count: int, regimes: Part | None) -> Part:
    """One part of a chunk: the regimes that are found, or what one method says with either threshold."""
    rng = np.random.default_rng([1, cell.gamma, round(1000 * cell.s), cell.n, chunk])
    scores = cell.draw(rng, count)
    if regimes is None:
        return _regimes(cell, scores)
    found: Part = {}
    share = REGIONS / SEARCHES if part in COSTLY else 1.0
    methods = {"profile": _profile, "bootstrap": _bootstrap, "consonance": _consonance, "posterior": _posterior}
    method = methods[part]
    for name in THRESHOLDS:
        ends = [cell.threshold] * count if name == "known" else regimes["threshold"]
        limits = [(-math.inf, t) for t in ends]
        kept = [i for i, (_, t) in enumerate(limits) if math.isfinite(t) and np.sum(scores[i] <= t) >= 5]
        kept = kept[: math.ceil(share * count)]
        fits = fit_many([scores[i] for i in kept], limits=[limits[i] for i in kept])
        mine = [(scores[i], limits[i], fit) for i, fit in zip(kept, fits, strict=True) if isinstance(fit, Fit)]
        found[name] = {"answers": len(mine), **_summary(cell, method(cell, mine, chunk))}
    return found


def _regimes(cell: Search, scores: np.ndarray) -> Part:
    regimes = find_regimes(list(scores), True, FREE, 0.1)
    ends = [regime.threshold for regime in regimes]
    return {
        "threshold": ends,
        "too large": float(np.mean([t > cell.threshold * (1 + 1e-9) for t in ends])),
        "none": float(np.mean(np.isnan(ends))),
        "used": float(np.median([r.fit.num_used if r.fit else 0 for r in regimes])),
        "member": _members(cell, scores),
    }


def _summary(cell: Search, ends: Ends) -> dict[str, Any]:
    truth = np.array([0.0, cell.gamma, *cell.curve()])
    covered = (ends[..., 0] <= truth) & (truth <= ends[..., 1])
    return {"covered": covered.sum(axis=0).tolist(), "width": np.diff(ends)[..., 0].tolist()}


def _profile(cell: Search, mine: list[tuple[np.ndarray, tuple[float, float], Fit]], chunk: int = 0) -> Ends:
    out = np.empty((len(mine), len(LEVELS), len(QUANTITIES), 2))
    studies = [prepare(Study.read(y, limits)) for y, limits, _ in mine]
    fits = [fit for *_, fit in mine]
    excesses = [allowed_excess(level, cell.n, True) for level in LEVELS]
    sets = level_sets(studies, fits, excesses, Resolution(fewest=6, step=0.5, rays=12, close=0.02))
    log_tail = math.log(0.5) / np.array([2.0 * cell.n, 10.0 * cell.n])
    for j in range(len(LEVELS)):
        # As `ProfileRegion` has it, all searches at once.
        slices = [one for of_study in sets[j] for one in of_study]
        first = np.cumsum([0, *(len(of_study) for of_study in sets[j])])[:-1]
        s, gamma = np.exp([[one.log_s] for one in slices]), np.array([[float(one.gamma)] for one in slices])
        t = standard_quantile(log_tail, s, gamma)
        corners = np.stack([one.corners for one in slices])
        values = [corners[..., 0], np.broadcast_to(gamma, corners.shape[:2])]
        values += [corners[..., 0] + corners[..., 1] * t[:, k, None] for k in range(2)]
        for k, value in enumerate(values):
            out[:, j, k, 0] = np.minimum.reduceat(value.min(axis=1), first)
            out[:, j, k, 1] = np.maximum.reduceat(value.max(axis=1), first)
    place = np.array([[one.location, one.scale] for one in studies])[:, None, None, None]
    out[:, :, [0, 2, 3]] = place[..., 0] + place[..., 1] * out[:, :, [0, 2, 3]]
    return out


def _bootstrap(cell: Search, mine: list[tuple[np.ndarray, tuple[float, float], Fit]], chunk: int) -> Ends:
    out = np.empty((len(mine), len(LEVELS), len(QUANTITIES), 2))
    n = np.array([2.0 * cell.n, 10.0 * cell.n])
    keys = jax.random.split(jax.random.key(chunk), max(len(mine), 1))
    rows: list[np.ndarray] = [np.empty(0)] * len(mine)

    def work(i: int, device: jax.Device) -> None:
        y, limits, _ = mine[i]
        resampler = Resampler.make(Study.read(y, limits), keys[i], "float64", (device,), RESAMPLES)
        rows[i], _ = resampler.refit(resampler.draw(0, RESAMPLES), device, warm=False)

    for _ in in_parallel(work, range(len(mine)), jax.local_devices()):
        pass
    for i, row in enumerate(rows):
        alpha, beta, gamma, sigma = row[: COLUMNS.index("loss")]
        good = np.isfinite(alpha)
        alpha, beta, gamma, sigma = (a[good] for a in (alpha, beta, gamma, sigma))
        with jax.enable_x64(True):
            curve = alpha[:, None] + np.asarray(
                best_of(n[None], np.float64(0.5), (beta - alpha)[:, None], sigma[:, None], gamma[:, None])
            )
        values = np.concatenate([alpha[:, None], gamma[:, None], curve], axis=1)
        for j, level in enumerate(LEVELS):
            # Weibull's quantiles: one more resample lies beyond either end with probability (1 - level) / 2.
            tails = [(1 - level) / 2, (1 + level) / 2]
            out[i, j] = np.quantile(values, tails, axis=0, method="weibull").T
    return out


def _consonance(cell: Search, mine: list[tuple[np.ndarray, tuple[float, float], Fit]], chunk: int) -> Ends:
    out = np.empty((len(mine), len(LEVELS), len(QUANTITIES), 2))
    for i, (y, limits, _) in enumerate(mine):
        for j, level in enumerate(LEVELS):
            region = region_within(Study.read(y, limits), level, rounds=2, ratios=40)
            curve = np.array(region.quantile_tuning_curve_band([2 * cell.n, 10 * cell.n])).T
            out[i, j] = [region.interval("alpha"), region.interval("gamma"), *curve]
    return out


def _posterior(cell: Search, mine: list[tuple[np.ndarray, tuple[float, float], Fit]], chunk: int) -> Ends:
    """Central intervals under the default prior, which no cell is drawn from; of gamma the range of the likely ones."""
    out = np.empty((len(mine), len(LEVELS), len(QUANTITIES), 2))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", nqjax.SamplingWarning)
        found = nqjax.sample_posterior_many(
            [y for y, *_ in mine],
            limits=[limits for _, limits, _ in mine],
            key=jax.random.key(chunk),
            method="quadrature",
        )
    for i, post in enumerate(found):
        if not isinstance(post, nqjax.Posterior):
            raise RuntimeError(f"a simulated search has no posterior: {post}")
        for j, level in enumerate(LEVELS):
            gammas = post.likely_gammas(level)
            lower, upper = post.quantile_tuning_curve_band([2 * cell.n, 10 * cell.n], confidence=level)
            out[i, j] = [post.interval("alpha", level), (min(gammas), max(gammas)), *zip(lower, upper, strict=True)]
    return out


def _members(cell: Search, scores: np.ndarray) -> list[int]:
    """For each level, how many of the true distributions keep within the band over the true regime."""
    y = np.sort(scores, axis=1)
    u = standard_cdf(y, cell.s, float(cell.gamma))
    inside = y <= cell.threshold
    counts = []
    for level in LEVELS:
        band = order_statistic_band(cell.n, level)
        high = np.append(band.high, 1.0)
        within = np.all(((u >= band.low) & (u <= band.high)) | ~inside, axis=1)
        counts.append(int(np.sum(within & (high[inside.sum(axis=1)] >= REGIME))))
    return counts


# --- the whole ------------------------------------------------------------------------------------------------------


def main(quick: bool = False) -> None:
    cells = [Search(*cell) for cell in itertools.product(GAMMAS, NOISES, SIZES)]
    if quick:
        cells = [Search(2, 0.05, 24)]
    total, size = (32, 32) if quick else (SEARCHES, CHUNK)
    folder = cache_folder("coverage")
    parts: dict[tuple[str, Cell], list[Part]] = {}
    began = time.perf_counter()
    # Cells in turn: an early end leaves something of each.
    work = [(part, chunk, cell) for chunk in range(total // size) for part in PARTS for cell in cells]
    for done, (part, chunk, cell) in enumerate(work):
        name = f"v{VERSION}-{cell.gamma}-{cell.s:g}-{cell.n}-{chunk}-{size}"
        path, first = folder / f"{name}-{part}.json", folder / f"{name}-regimes.json"
        if not path.exists() and _claim(path):
            known = None if part == "regimes" else _read(first)
            if known is None and part != "regimes":  # another process is at it
                path.with_suffix(".claim").unlink()
                continue
            draft = path.with_suffix(".draft")
            try:
                draft.write_text(json.dumps(study(part, cell, chunk, size, known)))
            except BaseException:
                path.with_suffix(".claim").unlink(missing_ok=True)
                raise
            draft.replace(path)
            spent = time.perf_counter() - began
            print(f"{done + 1}/{len(work)}, {spent:.0f} s: {part}, {cell.name}", flush=True)
        if path.exists():
            parts.setdefault((part, cell), []).append(json.loads(path.read_text()))
    missing = len(work) - sum(map(len, parts.values()))
    if missing:
        print(f"\n{missing} parts are in another process's hands: run this again when it has ended.")
    print(f"\n{time.perf_counter() - began:.0f} s in this run.")
    coverage_report.tables(parts, size)
    coverage_report.figure(parts, size, folder / "coverage.png")


def _read(path: Path) -> Part | None:
    return json.loads(path.read_text()) if path.exists() else None


def _claim(path: Path) -> bool:
    """Whether no other process is at work on a chunk; several may share the study."""
    claim = path.with_suffix(".claim")
    try:
        claim.touch(exist_ok=False)
    except FileExistsError:
        if time.time() - claim.stat().st_mtime < ABANDONED:
            return False
        claim.touch()
    return True
