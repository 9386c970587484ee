"""The exercise's text and commands, as the page shows them."""

from __future__ import annotations

from scenarios.page.steps import spans


def test_code_and_emphasis_are_spans() -> None:
    assert spans("It *pings* `alpine` **twice**.") == [
        ["text", "It "],
        ["em", "pings"],
        ["text", " "],
        ["code", "alpine"],
        ["text", " "],
        ["strong", "twice"],
        ["text", "."],
    ]
    assert spans("") == []
