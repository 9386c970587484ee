"""Who may use the page: the browser that was given its address, and no other page in it.

Everything on the controlling host can reach a port of 127.0.0.1, and every page in its browser can
send requests there. So each request and each WebSocket must name this server as its host (against
DNS rebinding), come from this page or from the address bar, and show the token. The token stands in
the address once; a redirect takes it into a cookie that scripts cannot read. The redirect is one
that the browser makes itself: after one by status the cookie (SameSite=Strict) would not be sent
where somebody has followed a link from elsewhere.
Source: https://developer.mozilla.org/en-US/docs/Web/Security/Attacks (CSRF, clickjacking, XSS)
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable, MutableMapping
from typing import Any
from urllib.parse import parse_qs

from starlette.types import ASGIApp, Message, Receive, Scope, Send

_REFUSED = {
    "host": (421, "This server answers to its own address only."),
    "method": (405, "This page is only read; all else goes over its WebSockets."),
    "origin": (403, "This came from another page."),
    "token": (403, "Open the address that `inv learn` has printed: paste it as a whole."),
}


def new_token() -> str:
    return secrets.token_urlsafe(32)


class Guard:
    """The application behind all checks, for a server on a port of 127.0.0.1."""

    def __init__(self, app: ASGIApp, token: str, port: int) -> None:
        self._app, self._token = app, token
        self._hosts = [f"{name}:{port}" for name in ("127.0.0.1", "localhost")]
        # Cookies are of a host and not of a port: two pages at once have one each.
        self._cookie = f"swarmrig-{port}"
        self._policy = policy(self._hosts)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                self._protect(message)
            await send(message)

        headers = _headers(scope)
        if why := self._refusal(scope, headers):
            await _refuse(scope, guarded, why)
        elif scope["type"] == "http" and self._brings_token(scope):
            await _welcome(guarded, f"{self._cookie}={self._token}")
        elif not self._same(_cookie(headers, self._cookie)):
            await _refuse(scope, guarded, "token")
        else:
            await self._app(scope, receive, guarded)

    def _refusal(self, scope: Scope, headers: dict[str, list[str]]) -> str:
        hosts, origins = headers.get("host", []), headers.get("origin", [])
        if len(hosts) != 1 or hosts[0] not in self._hosts:
            return "host"
        if scope["type"] == "http" and scope["method"] not in {"GET", "HEAD"}:
            return "method"
        if any(origin != f"http://{hosts[0]}" for origin in origins):
            return "origin"
        # A browser says from where every WebSocket comes; what says nothing is not this page.
        if scope["type"] == "websocket" and not origins:
            return "origin"
        if scope["type"] == "http" and self._brings_token(scope):
            return ""  # a link from elsewhere: who has made it knows the token
        sites = headers.get("sec-fetch-site", [])
        return "" if set(sites) <= {"same-origin", "none"} else "origin"

    def _brings_token(self, scope: Scope) -> bool:
        given = parse_qs(scope["query_string"].decode("latin-1")).get("token", [])
        return scope["path"] == "/" and len(given) == 1 and self._same(given[0])

    def _same(self, given: str) -> bool:
        return secrets.compare_digest(given.encode(), self._token.encode())

    def _protect(self, message: MutableMapping[str, Any]) -> None:
        message["headers"] = [
            *message.get("headers", []),
            (b"content-security-policy", self._policy.encode()),
            (b"x-content-type-options", b"nosniff"),
            (b"x-frame-options", b"DENY"),
            (b"referrer-policy", b"no-referrer"),
            (b"cross-origin-opener-policy", b"same-origin"),
            (b"cross-origin-resource-policy", b"same-origin"),
            (b"cache-control", b"no-store"),
        ]


def policy(hosts: Iterable[str]) -> str:
    """The Content-Security-Policy: this server's own files, and no script or style in the text."""
    sockets = " ".join(f"ws://{host}" for host in hosts)
    return (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
        f"connect-src 'self' {sockets}; base-uri 'none'; form-action 'none'; "
        "frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'"
    )


def _headers(scope: Scope) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for name, value in scope["headers"]:
        found.setdefault(name.decode("latin-1").lower(), []).append(value.decode("latin-1"))
    return found


def _cookie(headers: dict[str, list[str]], name: str) -> str:
    for line in headers.get("cookie", []):
        for part in line.split(";"):
            key, _, value = part.strip().partition("=")
            if key == name:
                return value
    return ""


async def _refuse(scope: Scope, send: Send, why: str) -> None:
    status, says = _REFUSED[why]
    if scope["type"] == "websocket":
        # Before it is accepted: the server answers 403.
        await send({"type": "websocket.close", "code": 1008, "reason": says})
        return
    headers = [(b"content-type", b"text/plain; charset=utf-8")]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": f"{says}\n".encode()})


async def _welcome(send: Send, cookie: str) -> None:
    headers = [
        (b"refresh", b"0; url=/"),
        (b"set-cookie", f"{cookie}; HttpOnly; SameSite=Strict; Path=/".encode()),
    ]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": b""})
