"""Attacks on the page, one a test: other pages, other users, other hosts, hostile output."""

from __future__ import annotations

import contextlib
import json
import re
import socket
from collections.abc import Iterator

import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection

from provision.support.errors import UserError
from scenarios.page import security, server, steps
from scenarios.page.terminals import IN_ALL, PER_MACHINE, TYPED_AT_ONCE, Terminals
from tests.unit.scenarios.page.serving import TOKEN, Site, served, unreachable


@pytest.fixture(scope="module")
def site() -> Iterator[Site]:
    with served() as one:
        yield one


def status_of(site: Site, path: str = "/live", **headers: str | None) -> int:
    with pytest.raises(InvalidStatus) as refused, site.socket(path, **headers):
        pass
    return refused.value.response.status_code


def ended(one: ClientConnection) -> int | None:
    """With what code the server ends a WebSocket."""
    with contextlib.suppress(ConnectionClosed):
        while True:
            one.recv(timeout=30)
    return one.close_code


def told_of(one: ClientConnection, **wanted: object) -> None:
    """Wait until a terminal's WebSocket is told of this state."""
    while True:
        told = one.recv(timeout=60)
        if isinstance(told, str) and wanted.items() <= json.loads(told).items():
            return


def test_the_page_itself_may_do_all(site: Site) -> None:
    assert site.ask()[0] == 200
    assert site.ask("/static/page.js", sec_fetch_site="same-origin")[0] == 200
    assert site.ask("/underlay.pcapng")[2] == "packets"
    with site.socket() as live:
        live.send(json.dumps({"do": "solve", "step": "7"}))
        site.board.put("look", {"done": 4})
        assert json.loads(live.recv(timeout=30)) == {"look": {"done": 4}}
    assert site.done == [("solve", "7")]


def test_a_request_without_the_token_is_refused(site: Site) -> None:
    for path in (
        "/",
        "/static/page.js",
        "/underlay.pcapng",
        "/?token=",
        "/?token=guess",
        "/static/page.js?token=the-token",
    ):
        status, _, says = site.ask(path, cookie=None)
        assert (status, "inv learn" in says) == (403, True), path
    assert site.ask(cookie=f"swarmrig-{site.port}=guess")[0] == 403


def test_a_socket_without_the_token_is_refused(site: Site) -> None:
    assert status_of(site, cookie=None) == 403
    assert status_of(site, "/terminal?machine=machine1&number=1", cookie=None) == 403
    assert status_of(site, f"/live?token={TOKEN}", cookie=None) == 403


def test_the_token_goes_into_a_cookie_that_no_script_reads_and_out_of_the_address(
    site: Site,
) -> None:
    status, headers, _ = site.ask(f"/?token={TOKEN}", cookie=None)
    assert (status, headers["refresh"]) == (200, "0; url=/")
    cookie = headers["set-cookie"].split("; ")
    assert cookie[0] == site.cookie
    assert {"HttpOnly", "SameSite=Strict"} <= set(cookie)


def test_a_link_with_the_token_may_come_from_elsewhere_and_one_without_may_not(site: Site) -> None:
    link = f"/?token={TOKEN}"
    assert "set-cookie" in site.ask(link, cookie=None, sec_fetch_site="cross-site")[1]
    assert site.ask("/?token=guess", sec_fetch_site="cross-site")[0] == 403


def test_tokens_cannot_be_guessed() -> None:
    assert len({security.new_token() for _ in range(100)}) == 100
    assert len(security.new_token()) >= 43


def test_another_name_for_this_address_is_refused(site: Site) -> None:
    # DNS rebinding: a name of the attacker's leads to 127.0.0.1.
    for host in (
        "evil.example",
        f"evil.example:{site.port}",
        f"127.0.0.1.evil.example:{site.port}",
    ):
        assert site.ask(host=host)[0] == 421, host
        assert site.ask(f"/?token={TOKEN}", host=host)[0] == 421, host


def test_another_page_in_the_same_browser_is_refused(site: Site) -> None:
    for origin in ("http://evil.example", "null", "http://127.0.0.1:1", f"https://{site.host}"):
        assert site.ask(origin=origin)[0] == 403, origin
        assert status_of(site, origin=origin) == 403, origin
        assert status_of(site, "/terminal?machine=machine1&number=1", origin=origin) == 403
    for place in ("cross-site", "same-site"):
        assert site.ask(sec_fetch_site=place)[0] == 403, place


def test_a_socket_from_nowhere_is_refused(site: Site) -> None:
    assert status_of(site, origin=None) == 403


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "PATCH", "TRACE"])
def test_what_changes_something_is_no_request(site: Site, method: str) -> None:
    # Of every path, and before the token is looked at.
    for path in ("/", "/static/page.js", "/live", f"/?token={TOKEN}"):
        status, _, says = site.ask(path, method=method, cookie=None)
        assert (status, "only read" in says) == (405, True), path


def test_other_pages_cannot_frame_it_or_load_its_files(site: Site) -> None:
    answers = [site.ask(path) for path in ("/", "/static/page.js", "/nothing")]
    # What is refused, and the answer to the token, are no exception.
    answers += [site.ask(cookie=None), site.ask(host="evil.example"), site.ask(f"/?token={TOKEN}")]
    assert [status for status, _, _ in answers] == [200, 200, 404, 403, 421, 200]
    for _, headers, _ in answers:
        assert headers["x-frame-options"] == "DENY"
        assert "frame-ancestors 'none'" in headers["content-security-policy"]
        assert headers["cross-origin-opener-policy"] == "same-origin"
        assert headers["cross-origin-resource-policy"] == "same-origin"
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["referrer-policy"] == "no-referrer"
        assert headers["cache-control"] == "no-store"


def test_no_script_or_style_in_the_text_is_run_and_none_from_elsewhere(site: Site) -> None:
    given = site.ask()[1]["content-security-policy"]
    rules = dict(rule.split(" ", 1) for rule in given.split("; "))
    assert rules["default-src"] == "'none'"
    assert rules["script-src"] == rules["style-src"] == rules["img-src"] == "'self'"
    # Text that is given to the browser as HTML is an error there.
    assert rules["require-trusted-types-for"] == "'script'"
    assert rules["trusted-types"] == "'none'"
    assert rules["frame-ancestors"] == rules["base-uri"] == rules["form-action"] == "'none'"
    assert rules["connect-src"].split() == [
        "'self'",
        f"ws://{site.host}",
        f"ws://localhost:{site.port}",
    ]
    assert "unsafe" not in given
    text = (server.STATIC / "index.html").read_text(encoding="utf-8")
    assert not re.search(r"<style|<script(?! type=\"module\" src=\"/static/)|\son\w+=|style=", text)


def test_the_page_makes_no_html_of_text() -> None:
    for file in server.STATIC.glob("*.js"):
        text = file.read_text(encoding="utf-8")
        assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval\(", text)


def test_html_in_the_text_of_an_exercise_stays_text() -> None:
    hostile = "<img src=x onerror=alert(1)> [a](javascript:b) `<b>`"
    assert steps.spans(hostile) == [
        ["text", "<img src=x onerror=alert(1)> [a](javascript:b) "],
        ["code", "<b>"],
    ]


def test_files_outside_of_the_pages_are_not_served(site: Site) -> None:
    for path in (
        "/static/../server.py",
        "/static/%2e%2e/server.py",
        "/static/..%2fserver.py",
        "/etc/passwd",
    ):
        assert site.ask(path)[0] == 404, path


def test_it_listens_on_this_host_alone(site: Site) -> None:
    with contextlib.closing(server.listening(0)) as listener:
        assert listener.getsockname()[0] == "127.0.0.1"
        with pytest.raises(UserError, match="cannot be used"):
            server.listening(listener.getsockname()[1])
    for address in ("127.0.0.2", "::1"):
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        with socket.socket(family) as one, pytest.raises(OSError, match=r"refused|assign"):
            one.connect((address, site.port))


def test_a_page_that_is_served_again_may_have_the_same_port() -> None:
    with served() as site:
        browser = socket.create_connection(("127.0.0.1", site.port), 30)
        browser.sendall(f"GET / HTTP/1.1\r\nHost: {site.host}\r\n\r\n".encode())
        assert b"403" in browser.recv(4096)
    # The server has closed first: the system keeps its end of the connection for a minute.
    browser.close()
    with served(site.port) as again:
        assert again.ask()[0] == 200


def test_a_message_that_is_too_long_ends_the_socket(site: Site) -> None:
    with site.socket("/terminal?machine=machine1&number=1") as terminal:
        terminal.send(b"x" * (TYPED_AT_ONCE + 1))
        assert ended(terminal) == 1009


@pytest.mark.parametrize(
    "sent", ["no JSON", "[]", "[" * 60000, '{"columns": "x"}', '{"columns": 1e9, "rows": true}']
)
def test_a_message_that_is_none_of_the_pages_ends_the_socket(site: Site, sent: str) -> None:
    with site.socket("/terminal?machine=machine1&number=1") as terminal:
        terminal.send(sent)
        assert ended(terminal) == 4000


def test_who_only_looks_on_neither_types_nor_resizes(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = "/terminal?machine=machine2&number=1"
    terminal = site.terminals.get("machine2", 1)
    typed: list[bytes] = []
    monkeypatch.setattr(terminal, "type", typed.append)
    with site.socket(path) as first, site.socket(path) as second:
        told_of(first, typing="you")
        told_of(second, typing="other")
        second.send(b"from elsewhere")
        second.send(json.dumps({"columns": 40, "rows": 10}))
        # It answers in order: once it holds the terminal, what it has sent before is through.
        second.send(json.dumps({"hold": True}))
        told_of(second, typing="you")
        assert (typed, terminal.size) == ([], (80, 24))
        told_of(first, typing="other")
        first.send(b"too late")
        second.send(b"now")
        second.send(json.dumps({"columns": 41, "rows": 11}))
        told_of(second, columns=41, rows=11)
        assert (typed, terminal.size) == ([b"now"], (41, 11))


def test_a_terminal_that_may_not_be_is_refused(site: Site) -> None:
    for path in (
        "/terminal",
        "/terminal?machine=machine9&number=1",
        "/terminal?machine=machine1&number=0",
        f"/terminal?machine=machine1&number={PER_MACHINE + 1}",
        "/terminal?machine=machine1&number=9999999999999999999",
    ):
        with site.socket(path) as terminal:
            assert ended(terminal) == 4000, path


def test_open_terminals_have_a_limit() -> None:
    names = [f"machine{number}" for number in range(IN_ALL)]
    terminals = Terminals(names, unreachable)
    try:
        for name in names:
            terminals.get(name, 1)
        assert terminals.get(names[0], 1)
        with pytest.raises(UserError, match=f"There are {IN_ALL} terminals open"):
            terminals.get(names[0], 2)
    finally:
        terminals.close()


def test_browsers_have_a_limit(site: Site) -> None:
    with contextlib.ExitStack() as opened:
        for _ in range(server.BROWSERS):
            opened.enter_context(site.socket())
        with site.socket() as one:
            assert ended(one) == 4000
