"""What a person with a browser sees of report.html, and what a hostile reply can do."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any, Final

import pytest
from made_records import make_plan, make_record, make_reply
from msgspec.structs import replace
from stored_runs import named, store_jobs, store_run

from pytest_llmbench.checks.reply import ToolCall
from pytest_llmbench.checks.verdict import CheckResult
from pytest_llmbench.commands.stored_run import stored_run
from pytest_llmbench.report.past import past_of_summaries
from pytest_llmbench.report.saved import write_report
from pytest_llmbench.runs.record import Fault, Record

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from playwright.sync_api import Browser, Page

GRIDS: Final = {
    "slow:1b": {"P1": "PPPPP", "P2": "FFPPP", "P3": "PPPPT"},
    "fast:2b": {"P1": "PPPPP", "P2": "PPPPP", "P3": "PPPPP"},
    "weak:3b": {"P1": "FFFFF", "P2": "PFPFP", "P3": "EPP.S"},
}

HOSTILE: Final = (
    "<script>window.owned = 1</script>",
    "</script><script>window.owned = 2</script>",
    "<img src=x onerror='window.owned = 3'>",
    "<a href='javascript:window.owned = 4'>click me</a>",
    "<style>body { display: none }</style><link rel=stylesheet href=http://a.test/x>",
    "'\" onmouseover=window.owned=5 x='",
    "<svg onload='window.owned = 6'><title></title></svg>",
    "<!-- --><!DOCTYPE html><base href='http://a.test/'><iframe src=http://a.test>",
    "{{ 7 * 7 }}{% raw %} ${window.owned = 7} </textarea></title></dialog></template>",
    "\x1b[31mred\x1b[0m \x00 \u202eright to left\u202c \ud800 \u2028 &lt;b&gt;",
)


class Seen:
    """A page, and everything that a browser says of it.

    Attributes:
        requests: addresses that it asked for.
        said: lines of the console, errors and violations of the policy.
    """

    def __init__(self, page: Page) -> None:
        self.page = page
        self.requests: list[str] = []
        self.said: list[str] = []
        page.on("request", lambda request: self.requests.append(request.url))
        page.on("console", lambda message: self.said.append(message.text))
        page.on("pageerror", lambda error: self.said.append(str(error)))
        page.on("dialog", lambda dialog: self.said.append(f"dialog {dialog.message}"))
        page.add_init_script(
            "document.addEventListener('securitypolicyviolation', (event) =>"
            " console.log('violation', event.violatedDirective));"
        )

    def text(self, selector: str = "#shown") -> str:
        """Return what a part of the page says, once it has said it."""
        part = self.page.locator(selector)
        part.locator("table, p.steps").first.wait_for()
        return part.inner_text()

    def close(self) -> None:
        """Hold the page to silence: one address asked for, nothing said."""
        assert len(self.requests) == 1
        assert self.said == []
        self.page.context.close()


Opened = "Callable[..., Seen]"


@pytest.fixture
def opened(browser: Browser, tmp_path: Path) -> Iterator[Callable[..., Seen]]:
    """Give a function that writes the page of a stored run and opens it."""
    pages: list[Seen] = []

    def open_page(folder: Path, **context: Any) -> Seen:  # noqa: ANN401 - playwright's
        path = write_report(
            [stored_run(folder)],
            past_of_summaries(tmp_path / "reports"),
            tmp_path / "report.html",
        )
        seen = Seen(browser.new_context(**context).new_page())
        seen.page.goto(path.as_uri())
        pages.append(seen)
        return seen

    yield open_page
    for seen in pages:
        seen.close()


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """Store a run of three models with checks, calls and texts."""
    check = CheckResult(
        name="exact", passed=False, expected='"READY"', got='"no"', why="differs"
    )
    folder = store_run(tmp_path / "reports", GRIDS, checks=(check,))
    return _with_texts(folder)


def _with_texts(folder: Path) -> Path:
    """Give each reply a text of its own, and the failed ones a call."""
    from pytest_llmbench.runs.folder import RESULTS, json_line, read_records

    lines = []
    for record in read_records(folder / RESULTS):
        if record.reply is not None:
            failed = record.outcome == "fail"
            call = ToolCall(name="get_weather", arguments={"city": "Oslo"})
            reply = replace(
                record.reply,
                text=f"answer of {record.prompt_id} in run {record.run}",
                tool_calls=(call,) if failed else (),
            )
            mode = "unneeded_call" if failed else None
            record = replace(record, reply=reply, failure_mode=mode)  # noqa: PLW2901 - the same trial
        lines.append(json_line(record.to_json()))
    (folder / RESULTS).write_text("".join(lines), "utf-8")
    return folder


def test_a_cell_opens_all_that_is_known_of_its_trial(
    opened: Callable[..., Seen], run: Path
) -> None:
    """Prompt, expected, got, calls, times, failure mode, and what other runs said."""
    seen = opened(run)
    seen.page.get_by_label("P2 run 1: fail").first.click()
    text = seen.text()
    assert "P2, run 1: fail: unneeded call (slow:1b)" in text
    for part in ("question of P2", '"READY"', '"no"', "differs", "be brief"):
        assert part in text
    for part in ("get_weather", '{"city": "Oslo"}', "200 ms", "1.00 s"):
        assert part in text
    assert "Difference from run 3, which passed" in text
    assert seen.page.locator("#shown ins").first.inner_text()


def test_runs_and_prompts_are_walked_without_closing(
    opened: Callable[..., Seen], run: Path
) -> None:
    """From a trial the buttons lead to its neighbours, also one without a record."""
    seen = opened(run)
    seen.page.get_by_label("P2 run 4: fail").click()
    title = seen.page.locator("#shown-title")
    seen.page.get_by_role("button", name="Next prompt").click()
    seen.page.get_by_text("This trial has no record").wait_for()
    assert title.inner_text() == "P3, run 4: no record (weak:3b)"
    seen.page.get_by_role("button", name="run 1", exact=True).click()
    seen.page.get_by_text("timeout: slow").wait_for()


def test_the_keyboard_alone_opens_and_closes_a_trial(
    opened: Callable[..., Seen], run: Path
) -> None:
    """One stop for Tab, arrows within, Enter opens, Escape leads back to the cell."""
    seen = opened(run)
    keys = seen.page.keyboard
    seen.page.locator("table.cells button.c").first.focus()
    for key in ("ArrowDown", "ArrowRight", "End", "Home", "ArrowRight", "Enter"):
        keys.press(key)
    assert "P2, run 2: fail" in seen.text()
    assert seen.page.evaluate("document.activeElement.id") == "shown-title"
    keys.press("Escape")
    label = "document.activeElement.getAttribute('aria-label')"
    assert seen.page.evaluate(label) == "P2 run 2: fail"
    stops = seen.page.locator('table.cells button.c[tabindex="0"]').count()
    assert stops == len(GRIDS)


def test_the_first_tab_skips_to_the_decisions(
    opened: Callable[..., Seen], run: Path
) -> None:
    """A reader without a mouse need not pass the list of parts."""
    seen = opened(run)
    seen.page.keyboard.press("Tab")
    assert seen.page.evaluate("document.activeElement.className") == "skip"
    seen.page.keyboard.press("Enter")
    assert seen.page.evaluate("document.activeElement.id") == "main"


def test_the_leaderboard_is_sorted_by_click_and_by_key(
    opened: Callable[..., Seen], run: Path
) -> None:
    """Both directions, and the head says which."""
    seen = opened(run)
    names = seen.page.locator("table.sortable tbody th")
    head = seen.page.get_by_role("columnheader", name="accuracy")
    head.get_by_role("button").click()
    assert names.all_inner_texts() == ["weak:3b", "slow:1b", "fast:2b"]
    assert head.get_attribute("aria-sort") == "ascending"
    head.get_by_role("button").press("Enter")
    assert names.all_inner_texts() == ["fast:2b", "slow:1b", "weak:3b"]
    assert head.get_attribute("aria-sort") == "descending"
    seen.page.get_by_role("columnheader", name="spec").get_by_role("button").click()
    assert names.all_inner_texts() == ["fast:2b", "slow:1b", "weak:3b"]


def test_rows_without_a_value_are_sorted_last(
    opened: Callable[..., Seen], tmp_path: Path
) -> None:
    """A spec without any reply has no latency, and is neither fastest nor slowest."""
    grids = {"mute:1b": {"P1": "EE"}, "a:1b": {"P1": "PP"}, "b:1b": {"P1": "PP"}}
    seen = opened(store_run(tmp_path / "reports", grids))
    head = seen.page.get_by_role("columnheader", name="E2E p50").get_by_role("button")
    for _ in range(2):
        head.click()
        names = seen.page.locator("table.sortable tbody th").all_inner_texts()
        assert names[-1] == "mute:1b"


def _hostile_record(prompt_id: str, text: str) -> Record:
    reply = make_reply()
    call = ToolCall(name=text, arguments={text: [text]}, fault=text, raw=text)
    check = CheckResult(name=text, passed=False, expected=text, got=text, why=text)
    return make_record(
        prompt_id,
        letter="F",
        category=text,
        failure_mode="wrong_answer",
        checks=(check,),
        fault=Fault(kind="malformed_call", message=text),
        transcript=({"role": "user", "content": text, "tool_calls": [], "tool": text},),
        server=text,
        reply=replace(
            reply, text=text, thinking=text, tool_calls=(call,), finish_reason=text
        ),
    )


@pytest.fixture
def hostile_run(tmp_path: Path) -> Path:
    """Store a run whose every text tries to become more than text."""
    grid = {f"H{number}{text[:30]}": "F" for number, text in enumerate(HOSTILE)}
    records = [
        _hostile_record(name, text) for name, text in zip(grid, HOSTILE, strict=True)
    ]
    plan = make_plan(grid, suite=HOSTILE[1], model=HOSTILE[2])
    records = [
        replace(one, suite=HOSTILE[1], model=HOSTILE[2], spec=plan.spec)
        for one in records
    ]
    other = named(HOSTILE[3])
    beside = [replace(make_record("P1"), **other)]
    jobs = [(plan, records), (make_plan({"P1": "P"}, **other), beside)]
    return store_jobs(tmp_path / "reports", jobs, notes=HOSTILE)


def test_hostile_texts_do_nothing(
    opened: Callable[..., Seen], hostile_run: Path
) -> None:
    """No text runs, loads, restyles or becomes an element, opened or not."""
    seen = opened(hostile_run)
    cells = seen.page.locator("table.cells").first.locator("button.c")
    assert cells.count() == len(HOSTILE)
    _assert_harmless(seen)
    for number in range(len(HOSTILE)):
        cells.nth(number).click()
        text = seen.text()
        _assert_harmless(seen)
        assert not {"\x00", "\x1b", "\u202e"} & set(text)
        seen.page.keyboard.press("Escape")
    cells.first.click()
    assert HOSTILE[0] in seen.text()


def _assert_harmless(seen: Seen) -> None:
    found = seen.page.evaluate(
        """() => ({
          owned: typeof window.owned,
          images: document.querySelectorAll("img, iframe, base, link, object").length,
          styles: document.querySelectorAll("style").length,
          scripts: Array.from(document.scripts, (one) => one.type)
            .filter((type) => !type || type.includes("script")).length,
          handlers: Array.from(document.querySelectorAll("*"), (one) => one.attributes)
            .flatMap((all) => Array.from(all, (one) => one.name))
            .filter((name) => name.startsWith("on") || name === "style").length,
          links: Array.from(document.links, (one) => one.getAttribute("href"))
            .filter((href) => !href.startsWith("#")).length,
          shown: getComputedStyle(document.body).display,
        })"""
    )
    assert found == {
        "owned": "undefined",
        "images": 0,
        "styles": 1,
        "scripts": 1,
        "handlers": 0,
        "links": 0,
        "shown": "block",
    }


def test_the_policy_stops_what_is_not_the_pages_own(
    browser: Browser, tmp_path: Path, run: Path
) -> None:
    """Were a text to become an element after all, it would neither run nor load."""
    path = write_report([stored_run(run)], {}, tmp_path / "r.html")
    seen = Seen(browser.new_context().new_page())
    stopped: list[str | None] = []
    seen.page.on("requestfailed", lambda request: stopped.append(request.failure))
    seen.page.goto(path.as_uri())
    seen.page.evaluate(
        """() => {
          const part = document.createElement("div");
          part.innerHTML = "<img src='http://127.0.0.1:1/x' onerror='window.owned = 1'>"
            + "<p style='color: red'>x</p>";
          const script = document.createElement("script");
          script.textContent = "window.owned = 2";
          document.body.append(part, script);
        }"""
    )
    assert seen.page.evaluate("typeof window.owned") == "undefined"
    told = " ".join(seen.said)
    for directive in ("img-src", "style-src-attr", "script-src-elem"):
        assert f"violation {directive}" in told
    assert stopped == ["csp"]
    seen.page.context.close()


def test_a_huge_reply_is_cut_and_said_to_be(
    opened: Callable[..., Seen], tmp_path: Path
) -> None:
    """Ten megabytes of reply leave a page of less than one."""
    drawn = random.Random(7).randbytes(5_000_000).hex()  # noqa: S311 - only large
    reply = replace(make_reply(), text=drawn)
    folder = store_run(tmp_path / "reports", {"m:1b": {"P1": "F"}}, reply=reply)
    seen = opened(folder)
    assert (tmp_path / "report.html").stat().st_size < 1_000_000
    seen.page.locator("button.c").first.click()
    assert "9,980,000 of 10,000,000 characters are left out here" in seen.text()


def test_many_runs_share_cells_that_open_as_lists(
    opened: Callable[..., Seen], tmp_path: Path
) -> None:
    """Of 300 runs a cell stands for twelve; failed ones stand first in its list."""
    grids = {"m:1b": {"P1": "PPPPPF" * 50, "P2": "P" * 300}}
    seen = opened(store_run(tmp_path / "reports", grids))
    cells = seen.page.locator("table.cells tbody tr").first.locator("button.c")
    assert cells.count() == 25
    assert cells.first.get_attribute("aria-label") == (
        "P1 runs 1 to 12: 83 % of 12 passed"
    )
    cells.first.click()
    seen.text()
    first = seen.page.locator("#shown tbody tr").first.inner_text()
    assert first.split()[:3] == ["run", "6", "fail"]
    seen.page.get_by_role("button", name="run 6", exact=True).click()
    seen.page.get_by_text("This prompt over the runs").wait_for()
    assert "P1, run 6: fail" in seen.page.locator("#shown-title").inner_text()


def test_many_prompts_are_there_on_demand(
    opened: Callable[..., Seen], tmp_path: Path
) -> None:
    """What is not stable stands in the table; a button opens the list of all."""
    grid = {f"P{number}": "PPP" for number in range(1, 2001)}
    grid["P1999"] = "PFP"
    seen = opened(store_run(tmp_path / "reports", {"m:1b": grid}))
    first = seen.page.locator("table.cells tbody tr").first.locator("th")
    assert first.inner_text() == "P1999"
    seen.page.get_by_role("button", name="All 2000 prompts").click()
    assert "Prompts 1 to 100 of 2000" in seen.text()
    seen.page.get_by_role("button", name="More prompts").click()
    seen.page.get_by_text("Prompts 101 to 200 of 2000").wait_for()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_stands_out_from_its_ground(
    opened: Callable[..., Seen], run: Path, scheme: str
) -> None:
    """Every text has a contrast of at least 4.5 to 1 (WCAG 2.1, level AA)."""
    seen = opened(run, color_scheme=scheme)
    seen.page.get_by_label("P2 run 1: fail").first.click()
    seen.text()
    weak = seen.page.evaluate(_CONTRAST)
    assert weak == []


_CONTRAST: Final = """() => {
  const numbers = (text) => text.match(/[\\d.]+/g).map(Number);
  const light = (rgb) => rgb.slice(0, 3).map((one) => one / 255)
    .map((one) => one <= 0.04045 ? one / 12.92 : ((one + 0.055) / 1.055) ** 2.4)
    .reduce((sum, one, at) => sum + one * [0.2126, 0.7152, 0.0722][at], 0);
  const ground = (element) => {
    for (let one = element; one; one = one.parentElement) {
      const found = numbers(getComputedStyle(one).backgroundColor);
      if (found.length < 4 || found[3] > 0) return found;
    }
    return [255, 255, 255];
  };
  const weak = new Set();
  for (const element of document.querySelectorAll("body *")) {
    const text = Array.from(element.childNodes)
      .filter((one) => one.nodeType === 3 && one.data.trim());
    const apart = "script, style, noscript, title, desc, :disabled";
    if (!text.length || element.closest(apart)) continue;
    const style = getComputedStyle(element);
    const ink = light(numbers(element.closest("svg") ? style.fill : style.color));
    const back = light(ground(element));
    const ratio = (Math.max(ink, back) + 0.05) / (Math.min(ink, back) + 0.05);
    if (ratio < 4.5) weak.add(`${element.tagName}.${element.className}: ${ratio}`);
  }
  return [...weak];
}"""


def test_a_phone_needs_no_sideways_scrolling(
    opened: Callable[..., Seen], run: Path
) -> None:
    """At 360 pixels only tables and drawings scroll within themselves."""
    seen = opened(run, viewport={"width": 360, "height": 740}, has_touch=True)
    for open_it in (False, True):
        if open_it:
            seen.page.get_by_label("P2 run 1: fail").first.tap()
            seen.text()
        for part in ("document.documentElement", "document.all.shown"):
            wide = f"{part}.scrollWidth - {part}.clientWidth"
            assert seen.page.evaluate(wide) <= 0


def test_paper_shows_what_is_closed_on_screen(
    opened: Callable[..., Seen], run: Path
) -> None:
    """Printing opens the figures and leaves out what can only be clicked."""
    seen = opened(run)
    assert seen.page.pdf(format="A4").startswith(b"%PDF")
    seen.page.emulate_media(media="print")
    assert not seen.page.locator("nav").is_visible()
    seen.page.evaluate("window.dispatchEvent(new Event('beforeprint'))")
    assert seen.page.get_by_text("of 3 prompts").first.is_visible()
    seen.page.evaluate("window.dispatchEvent(new Event('afterprint'))")
    assert not seen.page.locator("article details[open]").count()


def test_a_screen_reader_finds_names_and_tables(
    opened: Callable[..., Seen], run: Path
) -> None:
    """One h1; parts, tables, drawings and buttons have names, rows have heads."""
    seen = opened(run)
    count = seen.page.evaluate(
        """() => ({
          h1: document.querySelectorAll("h1").length,
          unnamed: Array.from(document.querySelectorAll("section"))
            .map((one) => document.getElementById(one.getAttribute("aria-labelledby")))
            .filter((one) => !one).length,
          tables: Array.from(document.querySelectorAll("table"))
            .filter((one) => !one.caption).length,
          rows: Array.from(document.querySelectorAll("tbody tr"))
            .filter((one) => !one.querySelector("th[scope=row]")).length,
          drawings: Array.from(document.querySelectorAll("svg[role=img]"))
            .filter((one) => !one.querySelector("title") || !one.querySelector("desc"))
            .length,
          buttons: Array.from(document.querySelectorAll("button"))
            .filter((one) => !one.textContent.trim() && !one.ariaLabel).length,
        })"""
    )
    assert count == {
        "h1": 1,
        "unnamed": 0,
        "tables": 0,
        "rows": 0,
        "drawings": 0,
        "buttons": 0,
    }
