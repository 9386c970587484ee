"""The book's command laid beside the one that was run: what was added, filled in, left out."""

from __future__ import annotations

import re
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import Literal

# A placeholder of the book, such as <alpine-overlay2 task>, is one word whatever is in it.
_WORDS = re.compile(r"<[^<>\n]*>|\S+")
_ENOUGH = 0.5


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
    def added(self) -> tuple[str, ...]:
        """What was added, run by run."""
        return tuple(part.text.strip() for part in self.parts if part.kind == "added")


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
    return _compare(words, run)


def _compare(book: list[str], run: list[str]) -> Marked:
    parts: list[Part] = []
    left_out: list[str] = []

    def put(words: list[str], kind: Literal["same", "added", "filled"]) -> None:
        if words:
            parts.append(Part((" " if parts else "") + " ".join(words), kind))

    for tag, b1, b2, r1, r2 in SequenceMatcher(None, book, run, False).get_opcodes():
        old, new = book[b1:b2], run[r1:r2]
        if tag == "equal":
            put(new, "same")
            continue
        blanks = [word for word in old if _is_blank(word)]
        left_out += [word for word in old if not _is_blank(word)]
        # As many words as the book has blanks here are what fills them; they come first or last,
        # flags before them: the filling is the part that does not look like a flag.
        filling = [word for word in new if not word.startswith("-")][: len(blanks)]
        for word in new:
            if word in filling:
                filling.remove(word)
                put([word], "filled")
            else:
                put([word], "added")
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
