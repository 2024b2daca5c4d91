"""Point fits: scores are checked, solved and returned on their own scale."""
