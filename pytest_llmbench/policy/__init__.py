"""What to do: gates, decisions, feedback. Pure."""
