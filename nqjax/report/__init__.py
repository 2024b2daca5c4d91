"""JSON documents, terminal tables and HTML pages of results, one module each."""
