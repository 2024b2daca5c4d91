"""The log density that is sampled: data, coordinates, likelihood and prior."""
