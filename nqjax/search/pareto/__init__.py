"""Searches with several objectives."""
