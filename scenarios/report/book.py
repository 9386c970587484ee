"""The book's command laid beside the one that was run: what was added, filled in, left out."""

from __future__ import annotations

import re
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import Literal

from scenarios.record.model import Step

# A placeholder of the book, such as <alpine-overlay2 task>, is one word whatever is in it.
_WORDS = re.compile(r"<[^<>\n]*>|\S+")
_SPACED = re.compile(r"\s*(?:<[^<>\n]*>|\S+)")
_ENOUGH = 0.5  # of all words in common, by difflib's ratio


@dataclass(frozen=True)
class Part:
    """A piece of a command line, white space before it included."""

    text: str
    kind: Literal["same", "added", "filled"]


@dataclass(frozen=True)
class Marked:
    """A command that was run, against the book: `left_out` are words of the book that it lacks."""

    parts: tuple[Part, ...]
    left_out: tuple[str, ...]
    in_book: bool

    @property
    def verbatim(self) -> bool:
        """Whether it is the book's own line, word for word."""
        same = all(part.kind == "same" for part in self.parts)
        return self.in_book and same and not self.left_out

    @property
    def added(self) -> tuple[str, ...]:
        """What was added, run by run."""
        return tuple(part.text.strip() for part in self.parts if part.kind == "added")

    @property
    def filled(self) -> tuple[str, ...]:
        """What was put where the book leaves a blank."""
        return tuple(part.text.strip() for part in self.parts if part.kind == "filled")


def mark(book: str, command: str) -> Marked:
    """Compare `command` with the line of `book` that is nearest to it, or with all its lines.

    A command that resembles nothing in the book (a check beside the exercise, say) is given back
    unmarked, with `in_book` False.
    """
    run = _WORDS.findall(command)
    lines = [_WORDS.findall(line) for line in book.splitlines() if line.strip()]
    candidates = [*lines, [word for line in lines for word in line]] if len(lines) > 1 else lines
    scored = [(SequenceMatcher(None, words, run, False).ratio(), words) for words in candidates]
    # The first of equals, so that the outcome does not hang on how words sort.
    score, words = max(scored, key=lambda pair: pair[0], default=(0.0, []))
    if score < _ENOUGH:
        return Marked((Part(command, "same"),), (), in_book=False)
    return _compare(words, command)


def as_in_book(step: Step) -> bool:
    """Whether the step ran what the book prints and nothing else: it need not be shown twice."""
    lines = {" ".join(line.split()) for line in step.book.splitlines() if line.strip()}
    ran = {" ".join(run.command.split()) for run in step.commands}
    return bool(ran) and ran == lines


def _compare(book: list[str], command: str) -> Marked:
    # Each word keeps the white space before it: the parts put together are the command as it ran.
    spaced = _SPACED.findall(command)
    words = [word.strip() for word in spaced]
    parts: list[Part] = []
    left_out: list[str] = []
    for tag, b1, b2, r1, r2 in SequenceMatcher(None, book, words, False).get_opcodes():
        if tag == "equal":
            parts += [Part(text, "same") for text in spaced[r1:r2]]
            continue
        old = book[b1:b2]
        left_out += [word for word in old if not _is_blank(word)]
        # An ellipsis takes all that stands there, a named blank one word that is no flag.
        room = len(words) if "…" in old else sum(_is_blank(word) for word in old)
        for text in spaced[r1:r2]:
            fits = room > 0 and ("…" in old or not text.strip().startswith("-"))
            room -= fits
            parts.append(Part(text, "filled" if fits else "added"))
    return Marked(tuple(_joined(parts)), tuple(left_out), in_book=True)


def _is_blank(word: str) -> bool:
    return word == "…" or (word.startswith("<") and word.endswith(">"))


def _joined(parts: list[Part]) -> list[Part]:
    """Neighbours of one kind as one part."""
    out: list[Part] = []
    for part in parts:
        if out and out[-1].kind == part.kind:
            out[-1] = Part(out[-1].text + part.text, part.kind)
        else:
            out.append(part)
    return out
