"""Experiments that build on a search: runs of its configurations with many seeds, and ablation."""
