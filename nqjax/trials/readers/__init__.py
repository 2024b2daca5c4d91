"""Readers of what searches leave behind, a module for each kind of source; `nqjax.read_study` chooses among them."""
