"""The number of scores that a fit of four parameters needs."""

#: Fewer fitted scores than this do not determine four parameters: the answer is distribution-free.
FEWEST_FOR_FIT = 20


def is_too_few(num_used: int) -> bool:
    """Return whether so small a number of fitted scores calls for a distribution-free answer."""
    return num_used < FEWEST_FOR_FIT
