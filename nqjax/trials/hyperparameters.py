"""Count the hyperparameters that were searched, where a file of trials says it."""

from pathlib import Path
from typing import Any

from nqjax.errors import InputError
from nqjax.trials.json_lines import JSON_ENDINGS, json_objects
from nqjax.trials.scores import checked_ending
from nqjax.trials.search_lines import HEADER

#: Kinds of entries of a space that do not vary by themselves.
_NOT_SEARCHED = {"fixed", "derived"}

#: The largest gamma that is tried without being asked for, however many hyperparameters a file has.
_MOST_GAMMA = 10


def read_hyperparameter_count(path: str | Path) -> int | None:
    """Return the number of hyperparameters that were searched, None where the file does not say it.

    A file that `nqjax.search` has written says it in its first line, which has the space. Those that are fixed, or
    follow from others, do not count.

    Raises
    ------
    InputError
        If the file cannot be read.
    """
    path = Path(path)
    with checked_ending(path) as ending:
        if ending not in JSON_ENDINGS:
            return None
        try:
            _, first = next(json_objects(path), (0, {}))
        except InputError:  # the scores' own reader says what is wrong, if it is
            return None
    return _searched(first.get(HEADER))


def gamma_range(path: str | Path, default: tuple[int, int] = (1, 5)) -> tuple[int, int]:
    """Return the range of gamma to try: up to the number of hyperparameters, if a file says that there are more.

    Raises
    ------
    InputError
        If the file cannot be read.
    """
    count = read_hyperparameter_count(path) or 0
    return default[0], max(default[1], min(count, _MOST_GAMMA))


def _searched(header: Any) -> int | None:
    """Return the number of hyperparameters in the header of a search."""
    settings = header.get("settings") if isinstance(header, dict) else None
    space = settings.get("space") if isinstance(settings, dict) else None
    if not isinstance(space, dict) or not space:
        return None
    return sum(isinstance(entry, dict) and not entry.keys() & _NOT_SEARCHED for entry in space.values())
