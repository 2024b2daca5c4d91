"""The models of the reference searches, written for one trial in Flax."""
