"""The landscape of a search space: configurations as nodes of a graph, with their losses, and what its shape says.

Two configurations are neighbours if they differ in one step of one hyperparameter. All of this is NumPy and SciPy:
nothing is compiled, so a landscape is described at once.
"""
