"""Coverage on real searches: do bands from a few of the trials hold the tuning curve of all of them?

Small random subsamples of each reference search are fitted by each method; what they say of the median of the best
score after 2 and 10 times as many trials is compared with the whole search's. Answers are kept in a file as they come
(``--cache`` or ``$NQJAX_BENCH_CACHE``, default ``build/bench``): after Ctrl-C the same command goes on where it was.
Delete the file after a change to a method.
"""

import json
import math
import multiprocessing
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

import jax
import numpy as np

import nqjax
from bench.common import cache_folder, reference_folder, table
from nqjax.confidence.bands import BandMethod
from nqjax.confidence.consonance import region_within
from nqjax.estimation.study import Study
from tests.support import searches

#: Trials of a subsample.
SIZES = (24, 48)
#: Curves are judged at these multiples of a subsample's trials.
FACTORS = (2, 10)
CONFIDENCES = (0.8, 0.95)
#: Subsamples of each size.
COUNT = 200
#: The same with ``--quick``.
QUICK = 20
#: Resamples of a bootstrap.
RESAMPLES = 200
#: Subsamples that a process takes at a time.
AT_ONCE = 10
#: Scores are shares.
_SUPPORT = (0.0, 1.0)
_BAND: BandMethod = "ld_highest_density"


class Part(NamedTuple):
    """A subsample of a search, and where to judge its tuning curve."""

    search: searches.Search
    at: np.ndarray
    number: int


#: Both ends of a band at each of the places.
Ends = tuple[np.ndarray, np.ndarray]
#: Bands at each confidence; a method without an answer raises InputError.
Method = Callable[[Part], list[Ends]]


def _options(part: Part) -> dict[str, Any]:
    return {"limits": part.search.limits, "minimize": part.search.minimize, **part.search.constraints}


def profile(part: Part) -> list[Ends]:
    regions = (nqjax.profile_region(part.search.scores, confidence=c, **_options(part)) for c in CONFIDENCES)
    return [region.quantile_tuning_curve_band(part.at) for region in regions]


def consonance(part: Part) -> list[Ends]:
    scores, limits, minimize, given = part.search[1:]
    study = Study.read(scores, limits, minimize, **given)
    # Coarser than `nqjax.consonance_region`, which takes three times as long for bands that are the same to 1e-3.
    regions = (region_within(study, c, _BAND, rounds=2, ratios=40) for c in CONFIDENCES)
    return [region.quantile_tuning_curve_band(part.at) for region in regions]


def bootstrap(part: Part) -> list[Ends]:
    key = jax.random.fold_in(jax.random.key(0), part.number)
    boot = nqjax.bootstrap(part.search.scores, RESAMPLES, key=key, **_options(part))
    return [boot.quantile_tuning_curve_band(part.at, confidence=c) for c in CONFIDENCES]


def nonparametric(part: Part) -> list[Ends]:
    found = []
    for c in CONFIDENCES:
        lower, _, upper = nqjax.confidence_bands(part.search.scores, c, support=_SUPPORT)
        found.append(tuple(d.quantile_tuning_curve(part.at, minimize=part.search.minimize) for d in (upper, lower)))
    return found


METHODS: dict[str, Method] = {
    "profile": profile,
    "consonance": consonance,
    "bootstrap": bootstrap,
    "nonparametric": nonparametric,
}


# --- the work, in processes -------------------------------------------------------------------------------------------


class Job(NamedTuple):
    """Some subsamples of one size of one search, for one method."""

    search: str
    size: int
    method: str
    numbers: tuple[int, ...]


def _searches() -> dict[str, searches.Search]:
    folder = reference_folder()
    return searches.published(folder) if folder else {}


def _work(job: Job) -> list[str]:
    """Lines for the file."""
    names = list(_searches())
    whole = _searches()[job.search]
    lines = []
    for i in job.numbers:
        # A subsample depends on its number alone, so that more of them begin with the same ones.
        rng = np.random.default_rng([names.index(job.search), job.size, i])
        part = whole._replace(scores=rng.choice(whole.scores, job.size, replace=False))
        try:
            bands = METHODS[job.method](Part(part, _places(job.size), i))
            answer = {"bands": [[end.tolist() for end in ends] for ends in bands]}
        except nqjax.InputError as error:
            answer = {"bands": None, "reason": str(error)}
        lines.append(json.dumps({"key": [nqjax.__version__, job.search, job.size, job.method, i], **answer}))
    return lines


def _places(size: int) -> np.ndarray:
    return np.array([float(factor * size) for factor in FACTORS])


def _start() -> None:
    """Leave Ctrl-C to the process that hands out the work, and the other cores to the other processes."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.environ.setdefault("XLA_FLAGS", "--xla_cpu_multi_thread_eigen=false")


def _jobs(count: int, done: dict[tuple, Any]) -> list[Job]:
    jobs = []
    for search in _searches():
        for size in SIZES:
            for method in METHODS:
                left = [i for i in range(count) if (nqjax.__version__, search, size, method, i) not in done]
                jobs += [Job(search, size, method, tuple(left[j : j + AT_ONCE])) for j in range(0, len(left), AT_ONCE)]
    return jobs


def _results(jobs: list[Job]) -> Iterator[list[str]]:
    """Results as they come, from a process a core; Ctrl-C waits for what runs and drops the rest."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(min(cores, len(jobs)), mp_context=spawn, initializer=_start) as pool:
        running: set[Future[list[str]]] = {pool.submit(_work, job) for job in jobs}
        try:
            while running:
                done, running = wait(running, return_when=FIRST_COMPLETED)
                yield from (future.result() for future in done)
        finally:
            pool.shutdown(cancel_futures=True)


def _read(file: Path) -> dict[tuple, Any]:
    """Answers by their keys; a line that was cut off is none."""
    found = {}
    for line in file.read_text().splitlines() if file.exists() else ():
        try:
            record = json.loads(line)
        except json.JSONDecodeError:
            continue
        found[tuple(record["key"])] = record["bands"]
    return found


def _answers(count: int) -> dict[tuple, Any]:
    """All answers, from the file and what is left to do."""
    file = cache_folder("subsamples") / "answers.jsonl"
    done = _read(file)
    jobs = _jobs(count, done)
    total, here, began = sum(len(job.numbers) for job in jobs), 0, time.monotonic()
    if jobs:
        with file.open("a") as out:
            out.write("\n")  # whatever the last line was
            try:
                for lines in _results(jobs):
                    out.write("\n".join(lines) + "\n")
                    out.flush()
                    here += len(lines)
                    left = (time.monotonic() - began) / here * (total - here)
                    print(f"\r{here}/{total} answers, {left:.0f} s left ", end="", file=sys.stderr, flush=True)
            except KeyboardInterrupt:
                sys.exit(f"\n{here} of {total} answers are in {file}: the same command does the others")
        print(file=sys.stderr)
    return _read(file)


# --- the table --------------------------------------------------------------------------------------------------------


def main(quick: bool = False) -> None:
    if not _searches():
        print("\nThe reference searches are absent (set NQJAX_SHARED_DATA): no subsamples.")
        return
    count = QUICK if quick else COUNT
    answers = _answers(count)
    rows = []
    for name, search in _searches().items():
        curve = nqjax.Empirical(search.scores).quantile_tuning_curve
        for size in SIZES:
            values = curve(_places(size), minimize=search.minimize)
            for method in METHODS:
                found = [answers[nqjax.__version__, name, size, method, i] for i in range(count)]
                for k, value in enumerate(values):
                    at = f"{_places(size)[k]:.0f}"
                    rows.append([name, str(size), method, at, f"{value:.4f}", *_cells(found, k, float(value))])
    header = ["search", "n", "method", "at", "whole search"]
    for confidence in CONFIDENCES:
        header += [f"coverage of {confidence:g}", "median width"]
    table(f"{count} random subsamples of n trials: the median tuning curve", [*header, "no answer"], rows)


def _cells(found: list[Any], k: int, value: float) -> list[str]:
    """Coverage with its standard error and median width at each confidence; how many have no answer."""
    given = [bands for bands in found if bands is not None]
    cells = []
    for c in range(len(CONFIDENCES)):
        ends = [(bands[c][0][k], bands[c][1][k]) for bands in given]
        share = sum(low <= value <= high for low, high in ends) / max(len(ends), 1)
        error = math.sqrt(share * (1 - share) / max(len(ends), 1))
        cells += [f"{share:.3f} ± {error:.3f}", f"{median(high - low for low, high in ends):.4f}" if ends else ""]
    return [*cells, str(len(found) - len(given))]
