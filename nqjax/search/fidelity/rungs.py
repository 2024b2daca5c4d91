"""Rungs and brackets: after how many rounds trials are compared, and how many go on."""

from __future__ import annotations

from typing import NamedTuple

from nqjax.errors import InputError
from nqjax.inputs import as_count


class Rung(NamedTuple):
    """One comparison of a bracket: how many trials reach it, and after how many rounds."""

    trials: int
    rounds: int


def num_rungs(rounds: int, eta: int = 3, min_rounds: int = 1) -> int:
    """Return how many rungs a trial has, the last one at its end.

    Parameters
    ----------
    rounds : int
        Rounds of a full training.
    eta : int
        One in ``eta`` trials goes on to the next rung, which is ``eta`` times as far.
    min_rounds : int
        Rounds of the shortest training.

    Raises
    ------
    InputError
        Full trainings are shorter than the first rung.

    Examples
    --------
    >>> from nqjax.search.fidelity.rungs import num_rungs
    >>> num_rungs(81), num_rungs(30), num_rungs(30, min_rounds=3)
    (5, 4, 3)
    """
    rounds = as_count("rounds", rounds)
    eta, least = as_count("eta", eta, least=2), as_count("min_rounds", min_rounds)
    if least > rounds:
        raise InputError(f"min_rounds is {least}, but the longest training has {rounds} rounds: give at most {rounds}")
    count = 1
    while least * eta**count <= rounds:
        count += 1
    return count


def rung_rounds(rounds: int, rungs: int, eta: int = 3) -> tuple[int, ...]:
    """Return after how many rounds a trial of ``rounds`` rounds reaches each rung; whole rounds, at least one.

    They are divided from the top, so that the last rung is a full training whatever its length.

    Examples
    --------
    >>> from nqjax.search.fidelity.rungs import rung_rounds
    >>> rung_rounds(30, 4), rung_rounds(5, 3)
    ((1, 3, 10, 30), (1, 1, 5))
    """
    return tuple(max(1, rounds // eta**above) for above in reversed(range(rungs)))


def halving_bracket(trials: int, rounds: int, rungs: int, eta: int = 3) -> tuple[Rung, ...]:
    """Return the rungs of successive halving that begins with ``trials`` trials (Jamieson and Talwalkar 2016).

    At least one trial is trained to the end.

    Examples
    --------
    >>> from nqjax.search.fidelity.rungs import halving_bracket
    >>> [tuple(rung) for rung in halving_bracket(27, 30, 4)]
    [(27, 1), (9, 3), (3, 10), (1, 30)]
    """
    reached = rung_rounds(rounds, rungs, eta)
    return tuple(Rung(max(1, trials // eta**i), reached[i]) for i in range(rungs))


def hyperband_brackets(rounds: int, eta: int = 3, min_rounds: int = 1) -> tuple[tuple[Rung, ...], ...]:
    """Return the brackets of Hyperband, the one with the most rungs first (Li et al. 2018, Algorithm 1).

    The bracket with ``s + 1`` of ``S`` rungs begins with ``ceil(S eta**s / (s + 1))`` trials, rounded once at the end,
    as in the paper's algorithm. Some programs round ``S / (s + 1)`` down before they multiply, and begin with fewer.

    Raises
    ------
    InputError
        Full trainings are shorter than the first rung.

    Examples
    --------
    >>> from nqjax.search.fidelity.rungs import hyperband_brackets
    >>> [[tuple(rung) for rung in bracket] for bracket in hyperband_brackets(9)]
    [[(9, 1), (3, 3), (1, 9)], [(5, 3), (1, 9)], [(3, 9)]]
    """
    most = num_rungs(rounds, eta, min_rounds)
    return tuple(
        halving_bracket(-(-most * eta ** (rungs - 1) // rungs), rounds, rungs, eta) for rungs in range(most, 0, -1)
    )
