"""Progress where there is no terminal: lines, a minute apart, of work that takes longer."""

import io

import pytest

from nqjax.runtime import progress
from nqjax.runtime.progress import Progress


@pytest.fixture
def clock(monkeypatch):
    """A clock that is set by hand; it begins anywhere."""
    now = [1234.5]
    monkeypatch.setattr(progress, "monotonic", lambda: now[0])
    return now


def test_short_work_says_nothing(clock, capsys):
    with Progress("trials", 10) as bar:
        for _ in range(10):
            clock[0] += 5.9
            bar.advance(1, "0 failed")
    assert capsys.readouterr() == ("", "")


def test_long_work_says_how_far_it_is_once_a_minute(clock, capsys):
    with Progress("trials", 2_004, done=4) as bar:
        for count in range(100):
            clock[0] += 50
            bar.advance(20, f"{count} failed, best 0.5")
    lines = capsys.readouterr().err.splitlines()
    assert lines[0] == "trials: 44 of 2,004, 1 failed, best 0.5, 1:21:40 left"  # a hundredth in 50 s
    assert lines[1] == "trials: 84 of 2,004, 3 failed, best 0.5, 1:20:00 left"
    assert len(lines) == 50
    assert lines[-1] == "trials: 2,004 of 2,004, 99 failed, best 0.5"


def test_parts_count_and_the_end_is_said_after_a_stop(clock, capsys):
    def stopped():
        with Progress("steps", 2) as bar:
            clock[0] += 60
            for _ in range(3):
                bar.advance(1 / 3)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        stopped()
    assert capsys.readouterr().err.splitlines() == ["steps: 0 of 2, 0:05:00 left", "steps: 1 of 2, 0:01:00 left"]


def test_a_reader_that_goes_away_stops_nothing(clock, monkeypatch):
    attempts, done = [], []

    class Gone(io.StringIO):
        def write(self, text):
            attempts.append(text)
            raise BrokenPipeError

    for stream in (Gone(), None):
        monkeypatch.setattr("sys.stderr", stream)
        with Progress("steps", 2) as bar:
            clock[0] += 60
            bar.advance(1)
            bar.advance(1)
        done.append(stream)
    assert attempts  # it was tried
    assert len(done) == 2


def test_nothing_is_shown_unasked(clock, capsys):
    with Progress("studies", 2, show=False) as bar:
        clock[0] += 600
        bar.advance(1)
    assert capsys.readouterr() == ("", "")
