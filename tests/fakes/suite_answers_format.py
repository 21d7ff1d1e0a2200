"""Right and wrong answers to the format suite."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from suite_answers import Tried, suite_script, tried_texts

if TYPE_CHECKING:
    from collections.abc import Mapping

    from fake_ollama_models import Script

_PLAN: Final = (
    "1. CHECK: systemctl status nginx\n"
    "2. FIX: restart the service\n"
    "3. VERIFY: curl http://localhost/"
)
_PERSON: Final = (
    '{"name": "Lena Fors", "age": 34, "member": true, "score": 7.5, '
    '"tags": ["chess", "skiing"], "nickname": null}'
)
_YAML: Final = (
    "database:\n  host: db.local\n  port: 5432\ndebug: false\n"
    "features:\n  - cache\n  - audit\n"
)
_CSV: Final = 'item,quantity,price\nBolt,120,0.15\n"Nut, large",75,0.40\n'
_LOG: Final = (
    '{"service": "payments", "request": "8f41c", "user": 1182, "took_ms": 413}'
)

FORMAT: Final[Mapping[str, Tried]] = {
    "F1": tried_texts(
        "exactly this text",
        good=["==READY-7F3A==", "==READY-7F3A==\n"],
        bad=["READY-7F3A", "Sure: ==READY-7F3A==", "==Ready-7F3A=="],
    ),
    "F2": tried_texts(
        "Route this support ticket",
        good=[
            '{"queue": "shipping", "priority": "high"}',
            '{\n  "priority": "high",\n  "queue": "shipping"\n}',
        ],
        bad=[
            '{"queue": "shipping", "priority": "normal"}',
            '```json\n{"queue": "shipping", "priority": "high"}\n```',
            '{"queue": "Shipping", "priority": "high"}',
            '{"queue": "shipping", "priority": "high", "reason": "a deadline"}',
        ],
    ),
    "F3": tried_texts(
        "why leaves are green",
        good=[
            "Leaves are green because chlorophyll reflects green light.",
            "Chlorophyll, the pigment of photosynthesis, reflects green light",
        ],
        bad=[
            "Leaves hold chlorophyll. It reflects green light.",
            "Leaves are green because they like it.",
        ],
    ),
    "F4": tried_texts(
        "capital of Norway",
        good=["Oslo", "oslo\n"],
        bad=["Oslo.", "The capital of Norway is Oslo", "Bergen"],
    ),
    "F5": tried_texts(
        "19 seats are taken",
        good=["317", " 317\n"],
        bad=["336", "317 seats", "7 * 48 - 19 = 317", "317.0"],
    ),
    "F6": tried_texts(
        "network firewall",
        good=[
            "A firewall filters network traffic and blocks what rules forbid.",
            "It allows or blocks connections according to a set of rules.",
        ],
        bad=[
            (
                "A firewall is a device or a program that watches all of the network "
                "traffic and blocks what its rules do not allow."
            ),
            "It is a wall that stops a fire.",
            "",
        ],
    ),
    "F7": tried_texts(
        "cardinal directions",
        good=["- North\n- East\n- South\n- West", "- north\n- east\n- south\n- west\n"],
        bad=[
            "- North\n- South\n- East\n- West",
            "North, East, South, West",
            "The directions are:\n- North\n- East\n- South\n- West",
            "- North\n- East\n- South",
        ],
    ),
    "F8": tried_texts(
        "Lena Fors",
        good=[_PERSON, _PERSON.replace(", ", ",\n  ")],
        bad=[
            _PERSON.replace("34", '"34"'),
            _PERSON.replace("true", '"yes"'),
            _PERSON.replace("null", '"none"'),
            _PERSON.replace('["chess", "skiing"]', '"chess, skiing"'),
            f"Here it is: {_PERSON}",
        ],
    ),
    "F9": tried_texts(
        "Is Lisbon the capital",
        good=["no", "no\n"],
        bad=["No", "no.", "yes", "No, Madrid is the capital of Spain."],
    ),
    "F10": tried_texts(
        "YYYY-MM-DD",
        good=["2026-11-03", "2026-11-03\n"],
        bad=["2026-11-3", "03.11.2026", "2026-11-03T16:30", "2026-03-11"],
    ),
    "F11": tried_texts(
        "web server nginx",
        good=[_PLAN, _PLAN + "\n"],
        bad=[
            _PLAN + "\n4. REPORT: tell the team",
            _PLAN.replace("1. CHECK", "1. Check"),
            "Here is the plan:\n" + _PLAN,
            "1. CHECK:\n2. FIX:\n3. VERIFY:",
        ],
    ),
    "F12": tried_texts(
        'keys "type" and "payload"',
        good=[
            r'{"type": "event", "payload": "{\"id\": 7, \"ok\": true}"}',
            r'{"payload": "{\"ok\":true,\"id\":7}", "type": "event"}',
        ],
        bad=[
            '{"type": "event", "payload": {"id": 7, "ok": true}}',
            '{"type": "event", "payload": "{"id": 7, "ok": true}"}',
            r'{"type": "event", "payload": "{\"id\": \"7\", \"ok\": true}"}',
            '{"type": "event", "payload": "{\'id\': 7, \'ok\': True}"}',
        ],
    ),
    "F13": tried_texts(
        "Write this as CSV",
        good=[
            _CSV,
            _CSV.replace("0.40", "0.4"),
            'item,quantity,price\n"Bolt","120","0.15"\n"Nut, large",75,0.40',
        ],
        bad=[
            _CSV.replace('"', ""),
            _CSV.partition("\n")[2],
            _CSV.replace("0.40", "0.45"),
            f"```csv\n{_CSV}```",
        ],
    ),
    "F14": tried_texts(
        "Write a YAML document",
        good=[
            _YAML,
            (
                "features: [cache, audit]\ndebug: false\n"
                "database:\n  port: 5432\n  host: 'db.local'\n"
            ),
        ],
        bad=[
            f"```yaml\n{_YAML}```",
            _YAML.replace("5432", '"5432"'),
            _YAML.replace("false", "'no'"),
            _YAML.replace("  - cache\n  - audit", "  cache, audit"),
        ],
    ),
    "F15": tried_texts(
        "one ERROR line",
        good=[_LOG, _LOG.replace(", ", ",\n")],
        bad=[
            _LOG.replace("413", '"413ms"'),
            _LOG.replace("1182", '"1182"'),
            _LOG.replace("8f41c", "a90e2"),
            _LOG.replace("payments", "[payments]"),
        ],
    ),
}
"""By prompt id."""


def format_script() -> Script:
    """Answer all of the format suite right, and anything else with 4."""
    return suite_script(FORMAT.values())
