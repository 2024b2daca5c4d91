"""Progress of long work on stderr: a bar on a terminal, and elsewhere a line a minute, after the first minute."""

import contextlib
import sys
from datetime import timedelta
from time import monotonic
from types import TracebackType
from typing import Any, Self

#: Seconds between lines.
_LINE_INTERVAL = 60.0


class Progress:
    """Progress of work that is counted; use it in a `with` statement.

    A bar shows what is done, the rate and the time that is left.

    Parameters
    ----------
    unit : str
        The things that are counted, in the plural.
    total : int
        How many things there are.
    done : int
        How many were done before.
    show : bool
        Whether to show anything.
    """

    def __init__(self, unit: str, total: int, *, done: int = 0, show: bool = True) -> None:
        self._unit, self._total, self._done, self._show = unit, total, float(done), show
        self._before, self._note = done, ""
        self._bar: Any = None
        self._lines, self._said = False, -1.0

    def __enter__(self) -> Self:
        if self._show:
            from rich.console import Console
            from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

            console = Console(file=sys.stderr)
            self._begun = self._written = monotonic()
            if not console.is_terminal:
                self._lines = sys.stderr is not None
                return self
            self._bar = Progress(
                TextColumn("{task.description}"),
                BarColumn(),
                MofNCompleteColumn(),
                TextColumn("{task.fields[rate]}"),
                TextColumn("{task.fields[note]}"),
                TimeRemainingColumn(compact=True),
                console=console,
                transient=True,
            )
            self._bar.start()
            self._task = self._bar.add_task(self._unit, total=self._total, completed=self._done, rate="", note="")
        return self

    def advance(self, count: float, note: str = "") -> None:
        """Count more things as done, also fractions of one, and show a note after the numbers."""
        self._done, self._note = self._done + count, note
        if self._lines and monotonic() >= self._written + _LINE_INTERVAL:
            self._write()
        if self._bar is not None:
            speed = self._bar.tasks[self._task].speed
            rate = "" if speed is None else f"{speed:,.0f}/s" if speed >= 10 else f"{60 * speed:,.0f}/min"
            self._bar.update(self._task, advance=count, rate=rate, note=note)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._bar.stop()
        if self._said not in (-1.0, self._done):  # lines were written: write the last one
            self._write()

    def _write(self) -> None:
        self._written, self._said = monotonic(), self._done
        done = round(self._done, 6)  # fractions were added up
        parts = [f"{self._unit}: {int(done):,} of {self._total:,}", self._note]
        if self._before < done < self._total:
            left = (self._written - self._begun) / (done - self._before) * (self._total - done)
            parts.append(f"{timedelta(seconds=round(left))} left")
        with contextlib.suppress(OSError):  # work continues when stderr is closed
            print(", ".join(filter(None, parts)), file=sys.stderr, flush=True)  # noqa: T201
