"""How it is asked: the engine, warm-up, clocks and wire dialects."""
