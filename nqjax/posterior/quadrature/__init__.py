"""The posterior by quadrature.

The steps are: find mean and covariance, make the density nearly normal, integrate it on a grid, and draw from the grid.
Searches that share gamma are pooled.
"""
