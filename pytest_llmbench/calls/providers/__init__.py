"""One wire dialect per file; the only users of httpx."""
