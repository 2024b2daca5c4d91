"""The progress of long work on stderr: a bar on a terminal, nothing where nobody looks."""

import sys
from types import TracebackType
from typing import Any, Self


class Progress:
    """A bar with how much is done, the rate, and the time that is left.

    Parameters
    ----------
    unit : str
        What is counted, in the plural.
    total : int
        How many there are.
    done : int
        How many were done before.
    show : bool
        Whether to show anything.
    """

    def __init__(self, unit: str, total: int, *, done: int = 0, show: bool = True) -> None:
        self._unit, self._total, self._done, self._show = unit, total, done, show
        self._bar: Any = None

    def __enter__(self) -> Self:
        if self._show:
            from rich.console import Console
            from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

            console = Console(file=sys.stderr)
            self._bar = Progress(
                TextColumn("{task.description}"),
                BarColumn(),
                MofNCompleteColumn(),
                TextColumn("{task.fields[rate]}"),
                TextColumn("{task.fields[note]}"),
                TimeRemainingColumn(compact=True),
                console=console,
                transient=True,
                disable=not console.is_terminal,
            )
            self._bar.start()
            self._task = self._bar.add_task(self._unit, total=self._total, completed=self._done, rate="", note="")
        return self

    def advance(self, count: float, note: str = "") -> None:
        """Say that so many more are done, which may be parts of one, and what else there is to say."""
        if self._bar is not None:
            speed = self._bar.tasks[self._task].speed
            rate = "" if speed is None else f"{speed:,.0f}/s" if speed >= 10 else f"{60 * speed:,.0f}/min"
            self._bar.update(self._task, advance=count, rate=rate, note=note)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._bar.stop()
