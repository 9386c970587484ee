"""The arithmetic of the measurements, and how they are told."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import pytest

from tests.bench import scale
from tests.bench.measure import Comparison, Series, by_turns, figure


@pytest.mark.parametrize(
    ("value", "told"),
    [(0.0714, "0.071"), (0.714, "0.71"), (7.14, "7.14"), (71.44, "71.4"), (714.4, "714")],
)
def test_a_number_is_told_with_the_digits_that_count(value: float, told: str) -> None:
    assert figure(value) == told


def test_a_series_is_its_median_and_its_spread() -> None:
    assert Series("up", [3.0, 1.0, 2.0]).told() == "2.00 s (1.00–3.00)"  # noqa: RUF001
    assert Series("up", [1.0, 2.0]).median == 1.5
    assert Series("up", [1.0]).told() == "1.00 s"


def test_the_ratio_is_of_pairs_and_not_of_medians() -> None:
    # The second run was on a machine three times as slow: no ratio knows of that.
    comparison = Comparison("t", Series("a", [1.0, 3.0, 1.1]), Series("b", [2.0, 6.0, 2.2]))
    assert comparison.ratio().values == pytest.approx([0.5, 0.5, 0.5])
    assert comparison.told().splitlines() == [
        "t: 3 runs",
        "  a      1.10 s (1.00–3.00)",  # noqa: RUF001
        "  b      2.20 s (2.00–6.00)",  # noqa: RUF001
        "  ratio  0.50 (0.50–0.50)",  # noqa: RUF001
    ]


def test_a_side_that_was_measured_less_often_is_no_comparison() -> None:
    with pytest.raises(ValueError, match="shorter"):
        Comparison("t", Series("a", [1.0, 2.0]), Series("b", [1.0])).ratio()


def test_both_sides_are_measured_by_turns() -> None:
    order: list[str] = []
    made = by_turns("t", ("a", lambda: order.append("a")), ("b", lambda: order.append("b")), 3)
    assert order == ["a", "b", "b", "a", "a", "b"]
    assert len(made.ours.values) == len(made.theirs.values) == 3


def test_a_number_of_hosts_that_does_not_fit_takes_no_others_result(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    @contextlib.contextmanager
    def lab(count: int) -> Iterator[int]:
        if count == 20:
            raise TimeoutError("machine18 ready")
        yield count

    monkeypatch.setattr(scale, "light_lab", lab)
    monkeypatch.setattr(scale, "cost_of_up", lambda count: scale.Cost(count / 2, 60, 1, 1, count))
    said = "\n".join(scale.run(2, (2, 10, 20)))
    assert "20 hosts  not measured: machine18 ready" in said
    assert "against 2: 5.00 (5.00–5.00)" in said  # noqa: RUF001
    assert "20 hosts  10" not in said
