"""Charts: well-formed, harmless, and the same as a table."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET

from hypothesis import given
from hypothesis import strategies as st

from pytest_llmbench.report import charts
from pytest_llmbench.report.axes import Axis
from pytest_llmbench.report.charts import Bar, Chart, Point, Row, Series, Words

SVG = "{http://www.w3.org/2000/svg}"
NASTY = "</svg><script>x</script>\x1b[31m\u202e\ud800\" onload='y'"


def words(text: str = "t") -> Words:
    """Return the words of a chart, all the same."""
    return Words(title=text, description=text, file_name="f", x=text)


def parsed(chart: Chart) -> ET.Element:
    """Return a drawing as XML, which it must be."""
    return ET.fromstring(chart.svg)  # noqa: S314 - our own text


def elements(chart: Chart) -> set[str]:
    """Return the names of a drawing's elements."""
    return {element.tag.removeprefix(SVG) for element in parsed(chart).iter()}


def drawn(text: str) -> list[Chart]:
    """Draw one chart of each kind, with a text wherever one can stand."""
    series = [Series(name=text, points=(Point(x=1, y=0.5, mark=text),))]
    share = Axis(low=0, high=1)
    return [
        charts.lines(words(text), series, share, unit="share", x=Axis.of([1])),
        charts.distributions(words(text), [Row(name=text, values=(1.0,), p50=1.0)]),
        charts.stacked(words(text), (text, text), [Bar(name=text, parts=(1.0, 2.0))]),
    ]


@given(st.text())
def test_no_text_becomes_markup(text: str) -> None:
    """Names and titles stay text, and the drawing stays XML."""
    known = {
        *("svg", "title", "desc", "line", "text", "rect", "polyline", "circle"),
    }
    for one in (*drawn(text), *drawn(NASTY)):
        assert elements(one) <= known
        for element in parsed(one).iter():
            assert not {name for name in element.attrib if name.startswith("on")}


def test_a_line_chart_shows_points_intervals_and_marks() -> None:
    """Each point is drawn and stands in the table, with what is known of it."""
    points = (
        Point(x=1, y=0.25, low=0.1, high=0.5),
        Point(x=2, y=1.0, mark="PROMOTE"),
    )
    chart = charts.lines(
        words(),
        [Series(name="a", points=points), Series(name="b", points=points[:1])],
        Axis(low=0, high=1),
        unit="share",
        x=Axis.over_counts([1, 2]),
    )
    assert chart.head == ("t", "a", "b")
    assert chart.rows == (
        ("1", "25 % (10 % to 50 %)", "25 % (10 % to 50 %)"),
        ("2", "100 % PROMOTE", "-"),
    )
    assert chart.legend == ("a", "b")
    kinds = [element.get("class", "") for element in parsed(chart).iter()]
    assert "mark PROMOTE" in kinds
    assert "span s0" in kinds
    assert "line s1 d0" in kinds


def test_a_distribution_marks_what_is_known() -> None:
    """p95 is drawn only where there is one; one far value is still seen."""
    rows = [Row(name="a", values=(1.0,) * 500 + (900.0,), p50=1.0, p95=None)]
    chart = charts.distributions(words(), rows)
    bins = [e for e in parsed(chart).iter() if e.get("class") == "bin"]
    assert len(bins) == 2
    assert min(float(one.get("height") or 0) for one in bins) >= 2
    kinds = [element.get("class") for element in parsed(chart).iter()]
    assert "p50" in kinds
    assert "p95" not in kinds
    assert chart.rows == (("a", "501", "1.0 ms", "1.0 ms", "-", "900 ms"),)


def test_bars_are_as_long_as_their_parts() -> None:
    """Parts stand side by side on one scale."""
    bars = [Bar(name="a", parts=(10.0, 30.0)), Bar(name="b", parts=(20.0, 0.0))]
    chart = charts.stacked(words(), ("x", "y"), bars)
    widths = [float(e.get("width") or 0) for e in parsed(chart).iter(f"{SVG}rect")]
    assert widths[1] / widths[0] == widths[1] / widths[2] * 2
    assert abs(widths[1] - 3 * widths[0]) < 0.3
    assert chart.rows == (("a", "10 ms", "30 ms"), ("b", "20 ms", "0.0 ms"))


def test_nothing_to_draw_is_an_empty_chart() -> None:
    """A chart without values is still a drawing."""
    assert parsed(charts.distributions(words(), [])).tag == f"{SVG}svg"
    assert parsed(charts.stacked(words(), (), [])).tag == f"{SVG}svg"


def test_a_fitted_line_lies_beneath() -> None:
    """It is drawn first, without points, and named in the legend like the others."""
    points = (Point(x=1, y=1), Point(x=3, y=3))
    series = [
        Series(name="L1", points=points),
        Series(name="line", points=points, is_fit=True),
    ]
    chart = charts.lines(
        words(), series, Axis.of([0.0, 3.0]), unit="ms", x=Axis.of([0.0, 3.0])
    )
    assert chart.svg.index('class="line fit"') < chart.svg.index('class="line s0')
    assert chart.svg.count("<circle") == 2
    assert chart.legend == ("L1", "line")


def test_intervals_stand_side_by_side() -> None:
    """Those of two series at one place don't hide each other; lone points stay put."""
    ends = (Point(x=2, y=2, low=1, high=3),)
    axis = Axis.of([0.0, 4.0])

    def places(*series: Series) -> list[str]:
        chart = charts.lines(words(), series, axis, unit="ms", x=axis)
        return re.findall(r'<circle class="dot s\d" cx="([\d.]+)"', chart.svg)

    one = Series(name="a", points=ends)
    (middle,) = places(one)
    left, right = places(one, Series(name="b", points=ends))
    assert float(left) == float(middle) - 2.5
    assert float(right) == float(middle) + 2.5
    bare = Series(name="a", points=(Point(x=2, y=2),))
    assert places(bare, bare) == [middle, middle]
