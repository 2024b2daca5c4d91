"""The reference searches: a module for each family of models, whose docstring is the record of its searches."""
