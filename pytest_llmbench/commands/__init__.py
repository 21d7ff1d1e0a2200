"""The larger commands of `llmbench`, one per module."""
