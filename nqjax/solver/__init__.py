"""From spacings to the optimum, as one compiled program on plain arrays."""
