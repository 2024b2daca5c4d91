"""Where the examples of the reference searches come from."""
