"""Methods that decide how long trials train: successive halving, Hyperband and ASHA."""
