"""Tests of where the theory holds: the regime, goodness of fit, the noise."""
