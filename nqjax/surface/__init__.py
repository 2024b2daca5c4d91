"""The response surface: the loss as a quadratic of the hyperparameters, near its optimum."""
