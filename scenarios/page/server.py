"""The page's server: its files, and two kinds of WebSockets.

`/live` sends what is new on the board, as one JSON object by kind (see `scenarios.page.session`),
and takes {do, step}; it answers {refused: {says, advice}} where that cannot be done.

`/terminal?machine=machine1&number=1` sends bytes of output, and JSON:

    {kept: true}, {kept: false}   around output from before: what it asks is not answered again
    {lost: true}                  output was left out: the screen begins again
    {state, says, columns, rows, typing}   typing: "you", "other" or "nobody"

and takes bytes that were typed, and JSON: {columns, rows}, {hold: true}, {again: true},
{shown: bytes} (how much of the output is on the screen).
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import mimetypes
import os
import socket
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import FileResponse, Response
from starlette.routing import Mount, Route, WebSocketRoute
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp
from starlette.websockets import WebSocket, WebSocketDisconnect

from provision.support.errors import UserError
from scenarios.page.news import Board
from scenarios.page.security import Guard
from scenarios.page.terminals import TYPED_AT_ONCE, Terminal, Terminals
from scenarios.report.pages import PICTURE_STYLES

STATIC = Path(__file__).parent / "static"
# Windows asks its registry what kind of file has which name, and a browser runs no "text/plain".
mimetypes.add_type("text/javascript", ".js")
mimetypes.add_type("text/javascript", ".mjs")
mimetypes.add_type("text/css", ".css")
BROWSERS = 64  # WebSockets at once
_AHEAD = 512 * 1024  # bytes of output that a browser may have to show yet
_REFUSED = 4000  # a WebSocket's own code: do not try again

# Begins what a button asks for. Raises UserError.
Do = Callable[[str, str], None]


def application(
    board: Board, terminals: Terminals, do: Do, pcap: Callable[[], bytes], token: str, port: int
) -> ASGIApp:
    page = _Page(board, terminals, do, pcap)
    routes = [
        Route("/", page.index),
        Route("/favicon.ico", page.icon),
        Route("/picture.css", page.picture),
        Route("/underlay.pcapng", page.packets),
        WebSocketRoute("/live", page.live),
        WebSocketRoute("/terminal", page.terminal),
        Mount("/static", StaticFiles(directory=STATIC)),
    ]
    return Guard(Starlette(routes=routes), token, port)


def listening(port: int) -> socket.socket:
    """A socket on 127.0.0.1; port 0 is a free one. Raises UserError where it is taken."""
    one = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    if os.name == "posix":
        # Else a port that was served a minute ago is taken. On Windows it is free, and this option
        # would let two programs listen.
        one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        one.bind(("127.0.0.1", port))
        one.listen()
    except (OSError, OverflowError) as error:
        one.close()
        raise UserError(
            f"Port {port} of 127.0.0.1 cannot be used: {error}",
            "Leave --port out for a free one.",
        ) from None
    return one


def server(app: ASGIApp) -> uvicorn.Server:
    """A server for small messages; it ends at Ctrl-C, without waiting for browsers."""
    config = uvicorn.Config(
        app,
        ws="websockets-sansio",
        ws_max_size=TYPED_AT_ONCE,
        ws_per_message_deflate=False,
        limit_concurrency=2 * BROWSERS,
        timeout_graceful_shutdown=1,
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
    )
    return uvicorn.Server(config)


class _Page:
    def __init__(
        self, board: Board, terminals: Terminals, do: Do, pcap: Callable[[], bytes]
    ) -> None:
        self._board, self._terminals, self._do, self._pcap = board, terminals, do, pcap
        self._browsers = 0

    async def index(self, _: Request) -> FileResponse:
        return FileResponse(STATIC / "index.html")

    async def icon(self, _: Request) -> FileResponse:
        # What a browser asks for beside an answer that is no page, such as the one to the token.
        return FileResponse(STATIC / "icon.svg")

    async def picture(self, _: Request) -> FileResponse:
        return FileResponse(PICTURE_STYLES)

    async def packets(self, _: Request) -> Response:
        named = {"content-disposition": 'attachment; filename="underlay.pcapng"'}
        data = await run_in_threadpool(self._pcap)
        return Response(data, headers=named, media_type="application/octet-stream")

    # -- the exercise -------------------------------------------------------------------------

    async def live(self, browser: WebSocket) -> None:
        await self._serve(browser, self._tell(browser), lambda: self._ask(browser))

    async def _tell(self, browser: WebSocket) -> None:
        count = 0
        with self._board.bell.hearing() as rung:
            while True:
                rung.clear()
                count, news = self._board.since(count)
                if news:
                    await browser.send_json(news)
                await rung.wait()

    async def _ask(self, browser: WebSocket) -> None:
        while True:
            asked = _object(await browser.receive_text())
            try:
                self._do(_text(asked, "do"), _text(asked, "step"))
            except UserError as error:
                told = {"says": str(error), "advice": error.advice}
                await browser.send_json({"refused": told})

    # -- terminals ----------------------------------------------------------------------------

    async def terminal(self, browser: WebSocket) -> None:
        asked = browser.query_params
        number = asked.get("number", "")
        try:
            one = self._terminals.get(
                asked.get("machine", ""), int(number) if number.isdecimal() else 0
            )
        except UserError as error:
            await browser.accept()
            await browser.close(_REFUSED, str(error))
            return
        viewer = _Viewer(browser, one)
        try:
            await self._serve(browser, viewer.tell(), viewer.take)
        finally:
            one.leave(viewer)

    async def _serve(
        self, browser: WebSocket, tell: Awaitable[None], take: Callable[[], Awaitable[None]]
    ) -> None:
        """Tell a browser, and take what it sends, until it goes."""
        await browser.accept()
        telling = asyncio.ensure_future(tell)
        self._browsers += 1
        try:
            if self._browsers > BROWSERS:
                await browser.close(_REFUSED, f"{BROWSERS} browsers and terminals are the most.")
                return
            await take()
        except _Wrong as error:
            await browser.close(_REFUSED, str(error))
        except (WebSocketDisconnect, KeyError, RuntimeError):
            pass  # it has gone, or sent bytes where text belongs
        finally:
            self._browsers -= 1
            telling.cancel()
            with contextlib.suppress(asyncio.CancelledError, Exception):
                await telling


class _Viewer:
    """One browser that looks at a terminal."""

    def __init__(self, browser: WebSocket, terminal: Terminal) -> None:
        self._browser, self._terminal = browser, terminal
        self._place = self._shown = 0
        if terminal.holder is None:
            terminal.hold(self)

    async def tell(self) -> None:
        told: dict[str, Any] = {}
        with self._terminal.bell.hearing() as rung:
            await self._output(kept=True)
            while True:
                rung.clear()
                if (status := self._status()) != told:
                    told = status
                    await self._browser.send_json(status)
                if self._place - self._shown < _AHEAD:
                    await self._output()
                    if self._terminal.output.end > self._place:
                        continue
                await rung.wait()

    async def _output(self, kept: bool = False) -> None:
        data, self._place, lost = self._terminal.output.since(self._place)
        if lost or kept:
            self._shown = self._place - len(data)
            await self._browser.send_json({"kept": True} if kept else {"lost": True})
        if data:
            await self._browser.send_bytes(data)
        if kept:
            await self._browser.send_json({"kept": False})

    def _status(self) -> dict[str, Any]:
        one, (columns, rows) = self._terminal, self._terminal.size
        typing = "you" if one.holder is self else "other" if one.holder else "nobody"
        state, says = one.status.state, one.status.says
        return {"state": state, "says": says, "columns": columns, "rows": rows, "typing": typing}

    async def take(self) -> None:
        while True:
            message = await self._browser.receive()
            if message["type"] == "websocket.disconnect":
                return
            if data := message.get("bytes"):
                if self._terminal.holder is self:
                    await run_in_threadpool(self._terminal.type, data)
            else:
                await self._obey(_object(message.get("text") or ""))

    async def _obey(self, asked: dict[str, Any]) -> None:
        if "shown" in asked:
            self._shown += _number(asked, "shown")
            self._terminal.bell.ring()
        if asked.get("hold"):
            self._terminal.hold(self)
        if "columns" in asked and self._terminal.holder is self:
            columns, rows = _number(asked, "columns"), _number(asked, "rows")
            await run_in_threadpool(self._terminal.resize, columns, rows)
        if asked.get("again"):
            self._terminal.again()


class _Wrong(Exception):
    """What came is not what the page sends."""


def _object(text: str) -> dict[str, Any]:
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        raise _Wrong("This is not JSON.") from None
    if not isinstance(found, dict):
        raise _Wrong("This is not a JSON object.")
    return found


def _text(of: dict[str, Any], key: str) -> str:
    value = of.get(key, "")
    if not isinstance(value, str):
        raise _Wrong(f"{key} is not text.")
    return value


def _number(of: dict[str, Any], key: str) -> int:
    value = of.get(key)
    if type(value) is not int:
        raise _Wrong(f"{key} is not a number.")
    return value
