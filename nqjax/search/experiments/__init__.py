"""Experiments that build on a search: reruns of configurations and ablation."""
