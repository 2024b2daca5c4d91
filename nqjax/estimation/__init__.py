"""Point fits: scores are checked, a noisy quadratic is fitted, and the fit is returned on the scale of the scores."""
