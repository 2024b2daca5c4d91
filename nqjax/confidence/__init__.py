"""Confidence bands, regions, the bootstrap and planning."""
