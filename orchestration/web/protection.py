"""Who may ask a server of this machine: its own pages and local programs, no foreign page.

Wraps any ASGI application; knows none.
"""

from collections.abc import Mapping, Sequence

from starlette.datastructures import Headers, MutableHeaders
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from starlette.websockets import WebSocketClose

HOSTS = ["127.0.0.1", "localhost", "[::1]"]
"""This machine's names. A page under another name that resolves here (DNS rebinding) is refused."""
POLICY = "Content-Security-Policy"
HEADERS = {
    POLICY: "frame-ancestors 'self'",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "SAMEORIGIN",
}
READING = ("GET", "HEAD")


def protect(app: ASGIApp) -> ASGIApp:
    """Serves an application to this machine's own pages and programs only."""
    trusted = TrustedHostMiddleware(RefuseForeignPages(app), HOSTS, www_redirect=False)
    return AddHeaders(trusted, HEADERS)


class AddHeaders:
    """Adds the headers a response lacks, and a content policy beside the one it has."""

    def __init__(self, app: ASGIApp, headers: Mapping[str, str]) -> None:
        self.app = app
        self.headers = headers

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Passes a request on and adds to what comes back."""

        async def add(message: Message) -> None:
            if message["type"] in ("http.response.start", "websocket.http.response.start"):
                found = MutableHeaders(scope=message)
                for name, value in self.headers.items():
                    if name == POLICY:  # of several, browsers obey all
                        found.append(name, value)
                    else:
                        found.setdefault(name, value)
            await send(message)

        await self.app(scope, receive, add)


class RefuseForeignPages:
    """Refuses what a page of another origin asks, and changes that are not asked for in JSON.

    A browser sends `Origin` with whatever is not a plain GET, and newer ones say in
    `Sec-Fetch-Site` where any request comes from; no page can forge either. What sends neither is
    a program of this machine. JSON alone cannot be sent to another origin without asking it first.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Passes a request on or answers it with the reason why not."""
        if scope["type"] == "lifespan":
            await self.app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        if comes_from_elsewhere(scope, headers):
            said = "refused: this was asked by a page of another origin\n"
            await refusal(scope, said, 403)(scope, receive, send)
        elif scope.get("method", "GET") not in READING and not is_json(headers):
            said = "refused: send it with the header Content-Type: application/json\n"
            await PlainTextResponse(said, 415)(scope, receive, send)
        else:
            await self.app(scope, receive, send)


def refusal(scope: Scope, said: str, status: int) -> ASGIApp:
    """The answer to what is refused; a web socket is closed unopened, which is a 403 as well."""
    return WebSocketClose() if scope["type"] == "websocket" else PlainTextResponse(said, status)


def comes_from_elsewhere(scope: Scope, headers: Headers) -> bool:
    """Whether a page of another origin asks; a link that a person follows is not refused."""
    host = headers.get("host", "").lower()
    own = (f"http://{host}", f"https://{host}")
    if any(origin.lower() not in own for origin in headers.getlist("origin")):
        return True
    sites: Sequence[str] = headers.getlist("sec-fetch-site")
    followed = (
        scope.get("method") in READING
        and headers.get("sec-fetch-mode") == "navigate"
        and headers.get("sec-fetch-dest") == "document"
    )
    return not followed and any(site not in ("same-origin", "none") for site in sites)


def is_json(headers: Headers) -> bool:
    """Whether the one content type is JSON, rather than one that merely names it."""
    types = [value.partition(";")[0].strip().lower() for value in headers.getlist("content-type")]
    return types == ["application/json"]
