"""The history: a database beside the run folders, for questions over many runs.

The run folders are the truth about runs: what is here of them was read from there
(`History.sync`), and can be again. Importing this package imports SQLAlchemy, which
takes about 150 ms, so it is imported inside the functions that need it.
"""

from pytest_llmbench.runs.history.store import History

__all__ = ["History"]
