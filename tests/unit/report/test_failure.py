"""What a failed trial prints."""

from __future__ import annotations

from made_records import make_record

from pytest_llmbench.checks.verdict import CheckResult
from pytest_llmbench.errors import ModelMissing, ServerFault
from pytest_llmbench.prompts.suite import Prompt
from pytest_llmbench.report.failure import error_lines, failure_lines
from pytest_llmbench.runs.record import Fault

PROMPT = Prompt(id="P1", text="What is the\nweather in Oslo?")
TOOLS = CheckResult(
    name="tools", passed=False, expected="f", got="no call", why="it did not call f"
)
TEXT = CheckResult(name="contains", passed=False, why="'Oslo' is missing")
GOOD = CheckResult(name="json", passed=True, expected="{}", got="{}")


def test_one_failed_check_is_four_lines() -> None:
    """The reason first, then what was asked, expected and got."""
    record = make_record(letter="F", checks=(GOOD, TOOLS))
    assert failure_lines(record, PROMPT, is_repeat=False) == [
        "tools: it did not call f",
        "prompt   What is the weather in Oslo?",
        "expected f",
        "got      no call",
    ]


def test_several_failed_checks_are_told_apart() -> None:
    """Each line names its check; what a check does not tell has no line."""
    record = make_record(letter="F", checks=(TOOLS, TEXT))
    assert failure_lines(record, PROMPT, is_repeat=False) == [
        "tools: it did not call f; contains: 'Oslo' is missing",
        "prompt   What is the weather in Oslo?",
        "expected f  (tools)",
        "got      no call  (tools)",
    ]


def test_a_repeat_is_one_line() -> None:
    """What an earlier run has shown in full is only named again."""
    record = make_record(letter="F", checks=(TOOLS,))
    assert failure_lines(record, PROMPT, is_repeat=True) == [
        "tools: it did not call f (as in an earlier run)"
    ]


def test_a_repeat_is_short_whatever_the_checks_say() -> None:
    """Many reasons are cut, so that a hundred runs stay readable."""
    checks = tuple(CheckResult(name="c", passed=False, why="w" * 99) for _ in range(9))
    record = make_record(letter="F", checks=checks)
    lines = failure_lines(record, PROMPT, is_repeat=True)
    assert len(lines) == 1
    assert len(lines[0]) < 220


def test_the_failure_mode_is_the_first_word() -> None:
    """In full, in a repeat and after a timeout, the mode leads."""
    record = make_record(letter="F", checks=(TOOLS,), failure_mode="missing_call")
    first = "missing_call: tools: it did not call f"
    assert failure_lines(record, PROMPT, is_repeat=False)[0] == first
    assert failure_lines(record, PROMPT, is_repeat=True) == [
        f"{first} (as in an earlier run)"
    ]
    fault = Fault(kind="timeout", message="no first byte within 60 s\nlimit 60 s")
    slow = make_record(letter="T", fault=fault, failure_mode="timeout")
    assert failure_lines(slow, PROMPT, is_repeat=False)[:2] == [
        "timeout: no first byte within 60 s",
        "limit 60 s",
    ]


def test_a_timeout_says_what_passed() -> None:
    """The limit's own message, with the prompt below."""
    fault = Fault(kind="timeout", message="no first byte within 60 s")
    record = make_record(letter="T", fault=fault)
    assert failure_lines(record, PROMPT, is_repeat=False) == [
        "no first byte within 60 s",
        "prompt   What is the weather in Oslo?",
    ]
    without = make_record(letter="T", fault=None)
    assert failure_lines(without, PROMPT, is_repeat=True)[0] == "too slow"


def test_nothing_reaches_the_terminal_raw() -> None:
    """Escapes and line ends in server's, model's and author's words are shown."""
    fault = Fault(kind="malformed_call", message="raw='\x1b[31m\x07'\r\n\n  x\u202ey")
    prompt = Prompt(id="P1", text="\x1b]0;title\x07")
    lines = failure_lines(make_record(letter="F", fault=fault), prompt, is_repeat=False)
    assert lines == [
        "raw='\\x1b[31m\\x07'",
        "  x\\u202ey",
        "prompt   \\x1b]0;title\\x07",
    ]


def test_an_error_is_told_in_full_once() -> None:
    """The second time its first line is enough; another error is told in full."""
    seen: set[str] = set()
    error = ModelMissing("h has no model 'm'\n  pulled: none\n  get it: pull m")
    closing = "This counts for nobody: the model was not judged."
    assert error_lines(error, seen) == [
        "h has no model 'm'",
        "  pulled: none",
        "  get it: pull m",
        closing,
    ]
    assert error_lines(error, seen) == ["h has no model 'm' (as before)"]
    assert error_lines(ServerFault("boom"), seen) == ["boom", closing]


def test_an_error_without_words_has_its_name() -> None:
    """An empty message is no reason to print nothing, or to stumble."""
    seen: set[str] = set()
    assert error_lines(ServerFault(""), seen)[0] == "ServerFault"
    assert error_lines(ServerFault(""), seen) == ["ServerFault (as before)"]
