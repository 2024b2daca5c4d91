"""Lines of the file of a search: headers and trials, each with a check sum, and what makes one invalid.

A header has the settings of the search and what it was made by; a trial has its number, its hyperparameters and its
metrics. Files of earlier versions have no check sums. Everything else is checked for them, too.
"""

import json
import math
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from nqjax.errors import InputError

#: Key of a header; the line has no other key.
HEADER = "nqjax_search"

#: Key of the check sum of a trial, and of what a header holds.
CHECK = "nqjax_crc32"

#: Columns of a trial of a population: who trained its weights, with which hyperparameters, and its own scores before.
LINEAGE = ("lineage", "schedule", "compared")

#: One trial: from names of columns to Python values.
Row = dict[str, Any]

#: Settings without which a search is not known, with their types.
_SETTINGS = {"task": str, "task_settings": dict, "score": str, "minimize": bool, "space": dict, "key": list}


def header_line(settings: Mapping[str, Any], made_by: Mapping[str, Any]) -> bytes:
    """Return the line of a header."""
    content = {"settings": settings, "made_by": made_by}
    return _text({HEADER: {**content, CHECK: _check_sum(content)}}) + b"\n"


def row_line(row: Mapping[str, Any]) -> bytes:
    """Return the line of a trial."""
    return _text({**row, CHECK: _check_sum(row)}) + b"\n"


def _text(value: Mapping[str, Any], *, allow_nan: bool = False) -> bytes:
    return json.dumps(value, allow_nan=allow_nan, separators=(", ", ": ")).encode()


def _check_sum(value: Mapping[str, Any]) -> str:
    """Return a check sum that does not depend on spaces and on how numbers are written."""
    try:
        return f"{zlib.crc32(_text(value, allow_nan=True)):08x}"
    except RecursionError:  # nested too deeply: no search writes that
        return ""


class SearchLines:
    """Checks of the lines of one file, which are given in their order.

    Lines of other files than a search's pass unchanged, as long as no line of a search is among them.

    Parameters
    ----------
    path : Path
        The file that messages name.

    Attributes
    ----------
    settings, made_by : dict
        What the first header holds; empty before it.
    has_check_sums : bool
        Whether the trials after the last header have check sums.
    has_repetitions : bool
        Whether a trial came twice, the same both times or trained further.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.settings: dict[str, Any] = {}
        self.made_by: dict[str, Any] = {}
        self.has_check_sums = False
        self.has_repetitions = False
        self._is_search = False
        self._other = 0  # the number of the first line that is not a search's
        self._seen: dict[int, tuple[int, str]] = {}  # from trials to their lines and check sums
        self._trained: dict[int, int] = {}  # from trials that were paused to their rounds

    def read(self, line: int, value: dict[str, Any]) -> Row | None:
        """Return a trial without its check sum, or None for a header and for a trial that came before.

        A trial that was paused and then trained further comes again, and counts as the last of its lines.

        Raises
        ------
        InputError
            An invalid line, one that was changed, or a trial that came before with other values.
        """
        if HEADER in value:
            self._read_header(line, value)
        elif not self._is_search and CHECK not in value:
            self._other = self._other or line
            return value
        self._is_search = True
        if self._other:
            raise self.error(self._other, "not a line of a search, as the others are: remove it")
        return None if HEADER in value else self._read_trial(line, value)

    def error(self, line: int, problem: str) -> InputError:
        """Return the error for an invalid line."""
        return InputError(f"{self.path}, line {line}: {problem}")

    def _read_header(self, line: int, value: dict[str, Any]) -> None:
        content = value[HEADER]
        problem = "not a valid header of a search: restore the line, or begin a new file"
        if len(value) > 1 or not isinstance(content, dict):
            raise self.error(line, problem)
        found = self._without_check_sum(line, content)
        self.has_check_sums = found is not content
        if found.keys() != {"settings", "made_by"} or not all(isinstance(part, dict) for part in found.values()):
            raise self.error(line, problem)
        settings, made_by = found["settings"], found["made_by"]
        if type(made_by.get("lanes", 0)) is not int or made_by.get("lanes", 0) < 0:
            raise self.error(line, problem)
        if not isinstance(made_by.get("data", ""), str):
            raise self.error(line, problem)
        if not self._is_search:
            self.settings, self.made_by = settings, made_by
        elif settings != self.settings:
            raise self.error(line, "the header of another search: keep each search in a file of its own")

    def _read_trial(self, line: int, value: dict[str, Any]) -> Row | None:
        number = value.get("trial")
        if type(number) is not int or number < 0:
            raise self.error(line, "not a trial of a search: it has no number: restore the line, or remove it")
        if self.has_check_sums and CHECK not in value:
            raise self.error(line, f"trial {number} has no check sum: restore the line, or remove it")
        row = self._without_check_sum(line, value)
        found = _check_sum(row)
        first, before = self._seen.setdefault(number, (line, found))
        if first == line:
            self._trained[number] = _rounds_trained(row)
            return row
        if _rounds_trained(row) > self._trained[number] > 0:
            self._seen[number], self._trained[number] = (line, found), _rounds_trained(row)
            self.has_repetitions = True
            return row
        if before != found:
            raise self.error(line, f"trial {number} comes twice, and differs from line {first}: remove one of the two")
        self.has_repetitions = True
        return None

    def _without_check_sum(self, line: int, value: dict[str, Any]) -> dict[str, Any]:
        """Return what a check sum is about, or the value itself if it has none; raise InputError if it is wrong."""
        if CHECK not in value:
            return value
        rest = {name: inner for name, inner in value.items() if name != CHECK}
        if value[CHECK] != _check_sum(rest):
            raise self.error(
                line, "changed since it was written (its check sum differs): restore the line, or remove it"
            )
        return rest


def has_pauses(settings: Any) -> bool:
    """Return whether the settings are those of a search that pauses its trials, or stops some of them early."""
    own = settings.get("sampling") if isinstance(settings, dict) else None
    return isinstance(own, dict) and bool({"rungs", "interval", "min_rounds"} & own.keys())


def _rounds_trained(row: Mapping[str, Any]) -> int:
    """Return for how many rounds a trial was trained; 0 in a search whose trials are not paused."""
    trained = row.get("trained", 0)
    return trained if type(trained) is int else 0


def settings_problem(settings: Mapping[str, Any]) -> str | None:
    """Return what is wrong with the settings of a search, or None."""
    for name, kind in _SETTINGS.items():
        if not isinstance(settings.get(name), kind):
            return f"the settings of the search lack {name!r}, or it is invalid"
    if not all(isinstance(entry, dict) for entry in settings["space"].values()):
        return "the space of the search is invalid"
    key = settings["key"]
    if len(key) != 2 or not all(type(word) is int and 0 <= word < 2**32 for word in key):
        return "the key of the search is invalid"
    return None


def trial_problem(row: Mapping[str, Any], settings: Mapping[str, Any]) -> str | None:
    """Return what a trial lacks of what the settings of its search promise, or None."""
    for name in settings.get("space", {}):
        if name not in row:
            return f"trial {row['trial']} lacks the hyperparameter {name!r}"
        if not isinstance(row[name], int | float | str) or (isinstance(row[name], float) and math.isnan(row[name])):
            return f"trial {row['trial']} has {name!r} = {json.dumps(row[name])}, which is neither a number nor text"
    score = settings.get("score")
    if score is not None and (score not in row or not _is_score(row[score])):
        return f"trial {row['trial']} lacks the score {score!r}, or it is not a number"
    if score is not None and not isinstance(row.get("failed"), bool):
        return f"trial {row['trial']} does not say whether it failed"
    if "trained" in row and (_rounds_trained(row) < 1 or row.get("status") not in ("finished", "pruned", "running")):
        return f"trial {row['trial']} does not say how far it was trained"
    curve = row.get("curve", {})
    whole = isinstance(curve, dict) and all(
        isinstance(one, list) and all(map(_is_score, one)) for one in curve.values()
    )
    return None if whole else f"trial {row['trial']} has an invalid curve"


def _is_score(value: Any) -> bool:
    """Return whether a value is a finite number, or None for a missing one."""
    if value is None:
        return True
    try:
        return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    except OverflowError:  # a whole number beyond the range of float64
        return False
