"""Benchmarks against opda, run by ``python -m bench``."""
