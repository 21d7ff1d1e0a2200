"""What it means: accuracy, variance, patterns, latency. Pure."""
