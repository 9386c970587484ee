"""Take away each protection of the page of `inv learn` once, and list those that no test misses.

`python -m tests.unguarded`: in a copy of scenarios/page one protection is edited out at a time, and
its test has to fail. That takes a few minutes, and needs Chromium for two of them.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

CLONE = Path(__file__).parent.parent
_PAGE = Path("scenarios", "page")
_ATTACKS, _BROWSER = "tests/unit/scenarios/page/test_security.py", "tests/browser/test_page.py"
_KEYS = "tests/unit/scenarios/page/test_keys.py"


@dataclass(frozen=True)
class Protection:
    """What is protected; the text of a file that does it, and what stands there without it.

    `test` is the one that has to fail then.
    """

    what: str
    file: str
    there: str
    instead: str
    test: str
    tests: str = _ATTACKS


def _header(line: str, test: str) -> Protection:
    return Protection(line.partition(",")[0].strip('(b"'), "security.py", line, "", test)


def _rule(there: str, instead: str) -> Protection:
    test = "test_no_script_or_style_in_the_text_is_run_and_none_from_elsewhere"
    return Protection(f"policy: {there}", "security.py", there, instead, test)


_FRAMES = "test_other_pages_cannot_frame_it_or_load_its_files"
_OTHER_PAGE = "test_another_page_in_the_same_browser_is_refused"
_NONE_OF_OURS = "test_a_message_that_is_none_of_the_pages_ends_the_socket"
_HOSTILE = "test_no_text_of_machines_becomes_html"

PROTECTIONS = [
    # -- who asks ------------------------------------------------------------------------------
    Protection(
        "Host: another name for this address",
        "security.py",
        "len(hosts) != 1 or hosts[0] not in self._hosts",
        "len(hosts) != 1",
        "test_another_name_for_this_address_is_refused",
    ),
    Protection(
        "Origin: another page",
        "security.py",
        'any(origin != f"http://{hosts[0]}" for origin in origins)',
        "False",
        _OTHER_PAGE,
    ),
    Protection(
        "Origin: a WebSocket from nowhere",
        "security.py",
        'scope["type"] == "websocket" and not origins',
        "False",
        "test_a_socket_from_nowhere_is_refused",
    ),
    Protection(
        "Sec-Fetch-Site: another site",
        "security.py",
        '"" if set(sites) <= {"same-origin", "none"} else "origin"',
        '""',
        _OTHER_PAGE,
    ),
    Protection(
        "methods that change something",
        "security.py",
        'scope["type"] == "http" and scope["method"] not in {"GET", "HEAD"}',
        "False",
        "test_what_changes_something_is_no_request",
    ),
    Protection(
        "token: of a request",
        "security.py",
        "not self._same(_cookie(headers, self._cookie))",
        'scope["type"] == "websocket" and not self._same(_cookie(headers, self._cookie))',
        "test_a_request_without_the_token_is_refused",
    ),
    Protection(
        "token: of a WebSocket",
        "security.py",
        "not self._same(_cookie(headers, self._cookie))",
        'scope["type"] == "http" and not self._same(_cookie(headers, self._cookie))',
        "test_a_socket_without_the_token_is_refused",
    ),
    Protection(
        "token: in the address of the page alone",
        "security.py",
        'scope["path"] == "/" and len(given) == 1',
        "len(given) == 1",
        "test_a_request_without_the_token_is_refused",
    ),
    Protection(
        "token: the whole of it",
        "security.py",
        "secrets.compare_digest(given.encode(), self._token.encode())",
        "self._token.startswith(given)",
        "test_a_request_without_the_token_is_refused",
    ),
    Protection(
        "token: long and random",
        "security.py",
        "secrets.token_urlsafe(32)",
        "secrets.token_urlsafe(4)",
        "test_tokens_cannot_be_guessed",
    ),
    Protection(
        "cookie: no script reads it",
        "security.py",
        "HttpOnly; ",
        "",
        "test_the_token_goes_into_a_cookie_that_no_script_reads_and_out_of_the_address",
    ),
    Protection(
        "cookie: other sites do not send it",
        "security.py",
        "SameSite=Strict; Path",
        "SameSite=None; Path",
        "test_the_token_goes_into_a_cookie_that_no_script_reads_and_out_of_the_address",
    ),
    Protection(
        "token: out of the address",
        "security.py",
        'b"0; url=/"',
        'b"0; url=/?token=" + cookie.encode()',
        "test_the_token_goes_into_a_cookie_that_no_script_reads_and_out_of_the_address",
    ),
    Protection(
        "loopback only",
        "server.py",
        'one.bind(("127.0.0.1", port))',
        'one.bind(("0.0.0.0", port))',
        "test_it_listens_on_this_host_alone",
    ),
    # -- what other pages can do with it -------------------------------------------------------
    _header('(b"x-content-type-options", b"nosniff"),', _FRAMES),
    _header('(b"x-frame-options", b"DENY"),', _FRAMES),
    _header('(b"referrer-policy", b"no-referrer"),', _FRAMES),
    _header('(b"cross-origin-opener-policy", b"same-origin"),', _FRAMES),
    _header('(b"cross-origin-resource-policy", b"same-origin"),', _FRAMES),
    _header('(b"cache-control", b"no-store"),', _FRAMES),
    Protection(
        "headers of what is refused",
        "security.py",
        "await _refuse(scope, guarded, why)",
        "await _refuse(scope, send, why)",
        _FRAMES,
    ),
    _rule("default-src 'none'", "default-src *"),
    _rule("script-src 'self'", "script-src 'self' 'unsafe-inline'"),
    _rule("style-src 'self'", "style-src 'self' 'unsafe-inline'"),
    _rule("img-src 'self'", "img-src *"),
    _rule("connect-src 'self' {sockets}", "connect-src *"),
    _rule("base-uri 'none'; ", ""),
    _rule("form-action 'none'; ", ""),
    _rule("frame-ancestors 'none'; ", ""),
    _rule("; trusted-types 'none'", ""),
    _rule("require-trusted-types-for 'script'; ", ""),
    # -- what machines print, and what files there are -----------------------------------------
    Protection(
        "text of an exercise is no HTML",
        "steps.py",
        'MarkdownIt("zero").enable(["backticks", "emphasis"])',
        'MarkdownIt("commonmark")',
        "test_html_in_the_text_of_an_exercise_stays_text",
    ),
    Protection(
        "text is no HTML: in the files",
        "static/wire.js",
        'map((text) => make("td", {}, text))',
        'map((text) => make("td", { innerHTML: text }))',
        "test_the_page_makes_no_html_of_text",
    ),
    Protection(
        "files outside of the page's",
        "server.py",
        'Mount("/static", StaticFiles(directory=STATIC))',
        'Route("/static/{at:path}", lambda to: FileResponse(STATIC / to.path_params["at"]))',
        "test_files_outside_of_the_pages_are_not_served",
    ),
    Protection(
        "what is typed: no secret is kept",
        "keys.py",
        " and not _SECRET.intersection(words[1:2])",
        "",
        "test_nothing_else_is_kept_and_no_secret",
        _KEYS,
    ),
    Protection(
        "what is typed: Docker's commands alone are kept",
        "keys.py",
        'words[:1] == ["docker"]',
        "words",
        "test_nothing_else_is_kept_and_no_secret",
        _KEYS,
    ),
    # -- how much ------------------------------------------------------------------------------
    Protection(
        "size of a message",
        "server.py",
        "ws_max_size=TYPED_AT_ONCE,",
        "",
        "test_a_message_that_is_too_long_ends_the_socket",
    ),
    Protection(
        "a message: JSON",
        "server.py",
        "except (ValueError, RecursionError):",
        "except ZeroDivisionError:",
        _NONE_OF_OURS,
    ),
    Protection(
        "a message: a JSON object",
        "server.py",
        "if not isinstance(found, dict):",
        "if False:",
        _NONE_OF_OURS,
    ),
    Protection(
        "a message: numbers", "server.py", "if type(value) is not int:", "if False:", _NONE_OF_OURS
    ),
    Protection(
        "terminals: of this lab's machines",
        "terminals.py",
        "if machine not in self._machines:",
        "if False:",
        "test_a_terminal_that_may_not_be_is_refused",
    ),
    Protection(
        "terminals: of one machine",
        "terminals.py",
        "if not 1 <= number <= PER_MACHINE:",
        "if False:",
        "test_a_terminal_that_may_not_be_is_refused",
    ),
    Protection(
        "terminals: in all",
        "terminals.py",
        "if len(self._open) >= IN_ALL:",
        "if False:",
        "test_open_terminals_have_a_limit",
    ),
    Protection(
        "browsers at once",
        "server.py",
        "if self._browsers > BROWSERS:",
        "if False:",
        "test_browsers_have_a_limit",
    ),
    Protection(
        "who looks on does not type",
        "server.py",
        "if self._terminal.holder is self:",
        "if True:",
        "test_who_only_looks_on_neither_types_nor_resizes",
    ),
    Protection(
        "who looks on does not resize",
        "server.py",
        'if "columns" in asked and self._terminal.holder is self:',
        'if "columns" in asked:',
        "test_who_only_looks_on_neither_types_nor_resizes",
    ),
    Protection(
        "size of a line that is kept",
        "keys.py",
        " and len(self._line) < _LONGEST",
        "",
        "test_lines_and_their_number_have_limits",
        _KEYS,
    ),
    # -- the same in a browser -----------------------------------------------------------------
    Protection(
        "text is no HTML: in a browser",
        "static/dom.js",
        "element.append(...children);",
        "element.innerHTML = children.map((one) => one.outerHTML ?? one).join('');",
        _HOSTILE,
        _BROWSER,
    ),
    Protection(
        "policy: a browser runs no script that got into the text",
        "security.py",
        '(b"content-security-policy", self._policy.encode()),',
        "",
        "test_a_browser_runs_no_script_that_got_into_the_text",
        _BROWSER,
    ),
]


def copied(to: Path) -> None:
    """The clone with the page's files to be edited; all else stands there as links."""
    for one in CLONE.iterdir():
        if one.name not in {".git", "scenarios", "tests"}:
            (to / one.name).symlink_to(one)
    for folder, apart in ((Path("scenarios"), {"page"}), (Path("tests"), set())):
        (to / folder).mkdir()
        for one in (CLONE / folder).iterdir():
            if one.name not in apart:
                (to / folder / one.name).symlink_to(one)
    shutil.copytree(CLONE / _PAGE, to / _PAGE)


def passes(clone: Path, tests: str, name: str = "") -> bool:
    """Whether the tests of a file pass, or the one of a name."""
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", tests, "-k", name],
        cwd=clone,
        env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
        check=False,
        capture_output=True,
        text=True,
    )
    if done.returncode not in (0, 1):  # no such test, or none that could be run
        raise SystemExit(f"{tests}, {name}:\n{done.stdout}{done.stderr}")
    return done.returncode == 0


def not_missed() -> Iterator[str]:
    """Every protection whose test passes without it."""
    with tempfile.TemporaryDirectory() as made:
        copied(Path(made))
        for tests in (_ATTACKS, _BROWSER):
            if not passes(Path(made), tests):
                yield f"{tests} fails with all protections"
        for one in PROTECTIONS:
            file = Path(made) / _PAGE / one.file
            whole = file.read_text(encoding="utf-8")
            if whole.count(one.there) != 1:
                yield f"{one.what}: {one.file} does not have it once: {one.there}"
                continue
            file.write_text(whole.replace(one.there, one.instead), encoding="utf-8")
            if passes(Path(made), one.tests, one.test):
                yield f"{one.what}: {one.test} passes without it"
            file.write_text(whole, encoding="utf-8")


def main() -> None:
    """Print what is not missed, and how much that is; exit code 1 where there is any."""
    count = 0
    for line in not_missed():
        count += 1
        print(line, flush=True)
    print(f"{len(PROTECTIONS)} protections, {count} not missed")
    sys.exit(count > 0)


if __name__ == "__main__":
    main()
