"""A fake Ollama that speaks the native API over real sockets, for tests and demos.

In a test::

    model = FakeModel(name="tiny:1b", answer=answers_by_prompt({...}, says("?")))
    with FakeOllama(model) as server:
        server.faults.append(stalls(after_chunks=2))
        ...  # talk to server.url

By hand::

    python tests/fakes/fake_ollama.py --port 11434 --scenario cold_start

It follows the documented behaviour of version 0.33: nothing, not even a status
line, is sent before the first token; a client that leaves aborts its load; counts
and durations that are 0 are absent. Not spoken: /api/pull and the OpenAI surface.
"""

from __future__ import annotations

from fake_ollama_faults import (
    call_as_text,
    crashes,
    ends_without_done,
    error_mid_stream,
    garbage_line,
    hangs_up,
    load_fails,
    load_times_out,
    long_line,
    malformed_call,
    no_metrics,
    non_utf8,
    one_byte_writes,
    out_of_memory,
    queue_full,
    refuse,
    resets,
    resets_before_headers,
    silent_empty,
    slow_first_byte,
    split_utf8,
    stalls,
    two_line_writes,
)
from fake_ollama_models import (
    Answer,
    FakeCall,
    FakeModel,
    FakeSettings,
    Fault,
    Script,
    always,
    answers_by_prompt,
    calls,
    count_tokens,
    says,
    split_tokens,
    wrong_while_cold,
)
from fake_ollama_server import FakeOllama
from fake_wire import RecordedRequest

__all__ = [
    "Answer",
    "FakeCall",
    "FakeModel",
    "FakeOllama",
    "FakeSettings",
    "Fault",
    "RecordedRequest",
    "Script",
    "always",
    "answers_by_prompt",
    "call_as_text",
    "calls",
    "count_tokens",
    "crashes",
    "ends_without_done",
    "error_mid_stream",
    "garbage_line",
    "hangs_up",
    "load_fails",
    "load_times_out",
    "long_line",
    "malformed_call",
    "no_metrics",
    "non_utf8",
    "one_byte_writes",
    "out_of_memory",
    "queue_full",
    "refuse",
    "resets",
    "resets_before_headers",
    "says",
    "silent_empty",
    "slow_first_byte",
    "split_tokens",
    "split_utf8",
    "stalls",
    "two_line_writes",
    "wrong_while_cold",
]

if __name__ == "__main__":
    from fake_ollama_scenarios import main

    main()
