"""Prompts as pytest cases; runs as evidence; gates as decisions."""

__all__ = ["__version__"]  # noqa: F822 - served by __getattr__


def __getattr__(name: str) -> str:
    """Look the version up only when asked: importing metadata costs milliseconds."""
    if name != "__version__":
        msg = f"module {__name__!r} has no attribute {name!r}"
        raise AttributeError(msg)
    from importlib.metadata import version

    return version("pytest-llmbench")
