"""One call for questions that several methods answer."""
