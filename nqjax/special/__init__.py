"""The noisy quadratic's functions on arrays, in the spirit of `scipy.special`."""
