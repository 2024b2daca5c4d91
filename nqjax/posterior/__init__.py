"""The Bayesian posterior of a search."""
