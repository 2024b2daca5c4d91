"""The examples of the reference searches."""
