"""A search whose next trials follow from the scores so far."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Unpack

from nqjax.runtime.compiled import power_of_two
from nqjax.runtime.progress import Progress
from nqjax.search.optimizers.cube import EncodedSpace
from nqjax.search.optimizers.lockstep import Lockstep, search_keys
from nqjax.search.optimizers.method import Method
from nqjax.search.optimizers.registry import method_settings
from nqjax.search.prior import as_prior, fingerprint
from nqjax.search.prior import encoded as encoded_prior
from nqjax.search.run_options import RunOptions
from nqjax.search.runner import as_trials, execute, search_settings, trial_words
from nqjax.search.task import Task
from nqjax.trials.search_lines import Row
from nqjax.trials.table import Trials, best_row

#: Room for trials: a search with more has the next power of two. A method's numbers depend on it in their last digits.
_CAPACITY = 256


def guided(
    task: Task,
    space: Mapping[str, Any],
    method: Method,
    num_trials: int,
    batch: int,
    key: Any,
    *,
    out: str | Path | None,
    prior: Any = None,
    **options: Unpack[RunOptions],
) -> Trials:
    """Run a search by a method, in batches; arguments are checked, and as for `nqjax.search.run`.

    The method's state is not saved: it follows from the key and the scores, which the file has.
    """
    encoded = EncodedSpace(space)
    room = max(_CAPACITY, power_of_two(-(-num_trials // batch) * batch))
    sampling = {**method_settings(method), "batch": batch, "capacity": room}
    earlier = None
    if prior is not None:
        earlier = encoded_prior(as_prior(prior, search_settings(task, space, key, None)), encoded)
        sampling["prior"] = fingerprint(earlier, encoded)
    settings = search_settings(task, space, key, sampling)
    search = Lockstep(method, encoded, room, search_keys(key, [0]), earlier)
    rows: list[Row] = []
    show = options.get("progress", False)
    options["progress"] = False  # this bar is of the whole search, not of a batch
    made_by: Mapping[str, Any] = {}
    with Progress("trials", num_trials, show=show) as bar:
        for first in range(0, num_trials, batch):
            numbers = range(first, min(first + batch, num_trials))
            (configs,) = search.ask(batch)
            trials = as_trials(task, list(zip(numbers, configs, strict=False)), trial_words(key, numbers))
            found = execute(task, trials, settings, out=out, **options)
            options["resume"] = True  # the file is this search's own from now on
            rows += found.rows
            made_by = found.made_by
            best = best_row(rows, task.score, task.minimize)
            bar.advance(len(numbers), f"best {best[task.score]:.5g}" if best else "")
            if len(numbers) == batch:
                search.tell((found.scores if task.minimize else -found.scores)[None])
    return Trials(tuple(rows), settings, made_by)
