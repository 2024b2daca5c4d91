"""Ctrl-C in the middle of a training, at a moment that does not depend on the machine."""

import contextlib

import pytest

from nqjax.search.engine import population


@contextlib.contextmanager
def stopped_after(rounds, monkeypatch):
    """Raise KeyboardInterrupt where a program is about to train one round more; the block must let it through."""
    train, count = population.Program.train_round, 0

    def stopped(self, *these):
        nonlocal count
        count += 1
        if count > rounds:
            raise KeyboardInterrupt
        return train(self, *these)

    with pytest.raises(KeyboardInterrupt), monkeypatch.context() as patch:  # noqa: PT012  (the block is the caller's)
        patch.setattr(population.Program, "train_round", stopped)
        yield
