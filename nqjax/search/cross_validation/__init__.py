"""Nested cross-validation of a whole search."""
