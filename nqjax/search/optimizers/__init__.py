"""Methods that choose the configurations of a search, one after the other, from the scores so far."""
