"""Secrets taken out of text that leaves this host: tokens, keys, passwords."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any

GONE = "<removed>"
_NAMED = r"[A-Za-z0-9_.-]*(?:password|passwd|passphrase|secret|token|api[_-]?key)[A-Za-z0-9_]*"

_PATTERNS: tuple[tuple[re.Pattern[str], str], ...] = (
    # A key that was cut off counts to the end of the text.
    (
        re.compile(
            r"(-----BEGIN [A-Z ]*PRIVATE KEY-----).*?(-----END [A-Z ]*PRIVATE KEY-----|\Z)", re.S
        ),
        rf"\1{GONE}\2",
    ),
    # Docker's join tokens and the key that unlocks a manager.
    (re.compile(r"\b(SWMTKN|SWMKEY)-[A-Za-z0-9+/=-]+"), rf"\1-{GONE}"),
    # NAME=value, name: value, "name": "value", name = 'value'
    (
        re.compile(
            rf"(\b{_NAMED}\b[\"']?\s*[=:]\s*)(\"(?:\\.|[^\"\\])*\"|'[^']*'|[^\s,;\"'}}]+)",
            re.I,
        ),
        rf"\1{GONE}",
    ),
    # --password value
    (re.compile(rf"(--{_NAMED}\s+)(\"[^\"]*\"|'[^']*'|\S+)", re.I), rf"\1{GONE}"),
    # scheme://user:password@host
    (re.compile(r"(\b[a-z][a-z0-9+.-]*://[^\s/:@]+:)[^\s/@]+@", re.I), rf"\1{GONE}@"),
    (re.compile(r"(\bAuthorization:\s*(?:Basic|Bearer)\s+)\S+", re.I), rf"\1{GONE}"),
    # ~/.docker/config.json: {"auths": {"host": {"auth": "…"}}}
    (re.compile(r"(\"auth\"\s*:\s*)\"[^\"]*\""), rf'\1"{GONE}"'),
)


def redacted(text: str, secrets: Iterable[str] = ()) -> str:
    """The text without what looks like a secret, and without the secrets that are known.

    Known ones go first, wherever they stand: no pattern has to guess at them.
    """
    for secret in sorted({one for one in secrets if one}, key=len, reverse=True):
        text = text.replace(secret, GONE)
    for pattern, instead in _PATTERNS:
        text = pattern.sub(instead, text)
    return text


def secrets_in(document: Any) -> Iterator[str]:
    """The values of all keys of a document (TOML, JSON) whose names say that they are secret."""
    if isinstance(document, dict):
        for key, value in document.items():
            if isinstance(value, str) and re.fullmatch(_NAMED, str(key), re.I):
                yield value
            else:
                yield from secrets_in(value)
    elif isinstance(document, list):
        for value in document:
            yield from secrets_in(value)
