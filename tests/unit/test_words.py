"""Phrases that the glossary replaces (docs/glossary.md) do not come back."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

CLONE = Path(__file__).parents[2]

# What is refused, and what to write instead.
PHRASES = {
    r"\banew\b": "again, recreate",
    r"goes? on (where|from (here|there))|gone on with": "resumes",
    r"the best that is here": "selected automatically: first usable provider",
    r"\bthat (is|are) here\b": "existing, available, installed",
    r"by being there": "discovered automatically",
    r"\bmend (its|it|them|the)\b": "fix",
    r"takes the lab that runs": "reuses the running lab",
    r"stood still": "is stopped",
    r"something that should not happen": "internal error",
    r"a mistake of yours|the user's (own )?mistake": "invalid input",
    r"without a thought": "say what it is",
    r"taken to be none": "unknown until …",
    r"chance (alone )?left out|by chance alone": "ignoring ids and timings",
    r"says what went": "lists what it removed",
    r"what a bug report needs": "redacted logs",
}
PLACES = {
    "documentation": ("README.md", "CONTRIBUTING.md", "CHANGELOG.md", "docs/*.md"),
    "commands": ("tasks.py", "Makefile", "lab.toml", ".ci/install"),
    "provision": ("provision/**/*.py", "Vagrantfile.j2"),
    "scenarios": ("scenarios/**/*.py", "scenarios/**/*.j2"),
}


def prose(file: Path) -> str:
    """The text of a file with its lines joined, so that a phrase is found across them."""
    text = file.read_text(encoding="utf-8")
    if file.name == "glossary.md":  # its last column has the words to avoid
        text = re.sub(r"\|[^|\n]*\|$", "|", text, flags=re.MULTILINE)
    text = re.sub(r'"\s*\n\s*(# )?f?"', "", text)  # a string in several parts
    return re.sub(r"\s+(# |> )?", " ", text)


def found(place: str) -> Iterator[str]:
    for pattern in PLACES[place]:
        for file in sorted(CLONE.glob(pattern)):
            text = prose(file)
            for phrase, better in PHRASES.items():
                for hit in re.finditer(phrase, text, re.IGNORECASE):
                    around = text[max(0, hit.start() - 30) : hit.end() + 30]
                    yield f"{file.relative_to(CLONE)}: …{around}… (better: {better})"


@pytest.mark.parametrize("place", PLACES)
def test_replaced_phrases_do_not_come_back(place: str) -> None:
    assert list(found(place)) == []


def test_a_phrase_is_found_across_lines_and_parts_of_a_string(tmp_path: Path) -> None:
    file = tmp_path / "a.py"
    file.write_text('# what it\'s made\n# anew\nsay("chance "\n    f"left out")\n')
    assert "chance left out" in prose(file)
    assert "made anew" in prose(file)
