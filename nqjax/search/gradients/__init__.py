"""Derivatives of a training's score with respect to its hyperparameters."""
