"""How it is shown: one view model, several faces."""
