"""Is it right: expectations judged against replies. Pure."""
