"""Validity: the numbers that a table of configurations can give, and why it cannot give the others."""

from __future__ import annotations

from nqjax.landscape.space import COMPLETE, CONTINUOUS, MISSING, Space

#: Optima of a grid that lacks more than this share of its rows are mostly those that the missing rows make.
MOST_MISSING = 0.05


def optima_refusal(space: Space) -> str | None:
    """Return why local optima, basins and all that needs them are not given; None where they are."""
    if space.kind == COMPLETE or (space.kind == MISSING and space.missing <= MOST_MISSING):
        return None
    if space.kind == MISSING:
        return (
            f"{100 * space.missing:.2g} % of the grid is missing, and a missing neighbour makes optima: at 10 % there "
            f"are 19 to 31 % too many, at 30 % about twice as many"
        )
    return (
        f"{len(space):,} configurations are a sample of the space, and whether one is a local optimum depends on "
        f"neighbours that were not run"
    )


def optima_warning(space: Space) -> str | None:
    """Return the warning that goes with optima of an incomplete grid."""
    if space.kind != MISSING or optima_refusal(space):
        return None
    return (
        f"{100 * space.missing:.2g} % of the grid is missing, so there seem to be a few more optima than there are: on "
        f"four grids with 5 % missing, 11 to 13 % more"
    )


def graph_refusal(space: Space) -> str | None:
    """Return why smoothness and neutrality are not given over all edges; None where they are."""
    if space.kind in (COMPLETE, MISSING):
        return None
    if space.kind == CONTINUOUS:
        return "the values are a sample of a continuous space, in which no two configurations are one step apart"
    return f"{len(space):,} configurations are a sample of a grid of {space.expected:,}"


def anova_refusal(space: Space) -> str | None:
    """Return why functional ANOVA is not given; None where it is."""
    if space.is_conditional:
        return "some hyperparameters exist in some configurations only, which functional ANOVA on a grid cannot handle"
    if space.kind in (COMPLETE, MISSING):
        return None
    return f"{len(space):,} configurations are a sample of the space: it needs the grid"
