"""Cycles: a baseline and candidates per pytest session, the winner kept."""
