"""Pictures, one module each, drawn with Matplotlib."""
