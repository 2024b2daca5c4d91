"""Other tools of search: each in a module of its own, which imports it."""
