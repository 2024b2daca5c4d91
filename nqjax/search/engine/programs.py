"""The compiled programs of each task, kept for its next search as long as the task lives and stays the same.

Tasks are told apart by identity, because a task may define equality or have no hash. The registry refers weakly to a
task and to its attributes (where their type allows that), so a task that nothing else uses is freed with its programs.
"""

from __future__ import annotations

import threading
import weakref
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from nqjax.search.engine.population import Program
from nqjax.search.task import Task


@dataclass(frozen=True)
class _Entry:
    """The programs of one task, and the attributes that it had when the first of them was made."""

    task: _Reference
    attributes: Mapping[str, _Reference]
    programs: dict[Any, Program] = field(default_factory=dict)

    def fits(self, task: Task) -> bool:
        """Return whether this is the task and all of its attributes are still the same objects."""
        now = vars(task)
        same = self.task.is_to(task) and self.attributes.keys() == now.keys()
        return same and all(self.attributes[name].is_to(value) for name, value in now.items())


class _Reference:
    """A reference to an object, weak where its type allows that."""

    def __init__(self, value: Any) -> None:
        self._value: Any = None
        self._weak: weakref.ref[Any] | None = None
        try:
            self._weak = weakref.ref(value)
        except TypeError:
            self._value = value

    def is_to(self, value: Any) -> bool:
        """Return whether this is a reference to the object."""
        if self._weak is None:
            return self._value is value
        return value is not None and self._weak() is value


_entries: dict[int, _Entry] = {}
_lock = threading.Lock()


def programs_of(task: Task) -> dict[Any, Program]:
    """Return the programs that earlier searches have made for a task, a dictionary to which new ones are added.

    It is empty for a new task, and for a task one of whose attributes is another object than before, because the
    programs may contain the old one. The programs of a task that cannot be referred to weakly are not kept.
    """
    try:
        forget = weakref.finalize(task, _entries.pop, id(task), None)  # before another task can have the same id
    except TypeError:
        return {}
    forget.atexit = False
    with _lock:
        entry = _entries.get(id(task))
        if entry is None or not entry.fits(task):
            attributes = {name: _Reference(value) for name, value in vars(task).items()}
            entry = _entries[id(task)] = _Entry(_Reference(task), attributes)
        else:
            forget.detach()  # an earlier call has left one
        return entry.programs


def clear(task: Task) -> None:
    """Forget the programs of a task, with the copies of its examples on the devices."""
    _entries.pop(id(task), None)
