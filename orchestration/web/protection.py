"""Protects a local server from foreign pages: only its own pages and local programs may use it.

Wraps any ASGI application.
"""

from collections.abc import Mapping, Sequence
from types import MappingProxyType

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
SAFE_METHODS = ("GET", "HEAD")


def protect(
    app: ASGIApp,
    hosts: Sequence[str] = HOSTS,
    *,
    content_type: str = "application/json",
    headers: Mapping[str, str] = MappingProxyType({}),
) -> ASGIApp:
    """Wraps an application so that only its own pages and local programs may use it.

    Args:
        app: the application.
        hosts: the names under which it is served.
        content_type: of the changes that are sent to it. With another one than JSON, which a page
            of another origin could send, the application must ask for a token of its own.
        headers: of every response, beside the usual ones or in place of them.
    """
    guarded = RefuseForeignPages(app, content_type)
    trusted = TrustedHostMiddleware(guarded, list(hosts), www_redirect=False)
    return AddHeaders(trusted, {**HEADERS, **headers})


class AddHeaders:
    """Adds headers that a response lacks, and a content policy in addition to its own."""

    def __init__(self, app: ASGIApp, headers: Mapping[str, str]) -> None:
        self.app = app
        self.headers = headers

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Passes a request on and adds headers to the response."""

        async def add_headers(message: Message) -> None:
            if message["type"] in ("http.response.start", "websocket.http.response.start"):
                headers = MutableHeaders(scope=message)
                for name, value in self.headers.items():
                    if name == POLICY:  # browsers apply all of several
                        headers.append(name, value)
                    else:
                        headers.setdefault(name, value)
            await send(message)

        await self.app(scope, receive, add_headers)


class RefuseForeignPages:
    """Refuses requests from pages of another origin, and changes of another content type.

    A browser sends `Origin` with everything but a plain GET, and newer ones name the origin of each
    request in `Sec-Fetch-Site`; no page can forge either. A request with neither comes from a local
    program. A page can send JSON to another origin only with that origin's permission.
    """

    def __init__(self, app: ASGIApp, content_type: str) -> None:
        self.app, self.content_type = app, content_type

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Passes a request on, or refuses it with a reason."""
        if scope["type"] == "lifespan":
            await self.app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        if is_foreign(scope, headers):
            message = "refused: this request comes from a page of another origin\n"
            await refuse_request(scope, message, 403)(scope, receive, send)
        elif scope.get("method", "GET") not in SAFE_METHODS and not self.has_type(headers):
            message = f"refused: send it with the header Content-Type: {self.content_type}\n"
            await PlainTextResponse(message, 415)(scope, receive, send)
        else:
            await self.app(scope, receive, send)

    def has_type(self, headers: Headers) -> bool:
        """Whether the only content type is the expected one."""
        types = [
            value.partition(";")[0].strip().lower() for value in headers.getlist("content-type")
        ]
        return types == [self.content_type]


def refuse_request(scope: Scope, message: str, status: int) -> ASGIApp:
    """Refuses a request; a web socket is closed before it opens, which is a 403 as well."""
    return WebSocketClose() if scope["type"] == "websocket" else PlainTextResponse(message, status)


def is_foreign(scope: Scope, headers: Headers) -> bool:
    """Whether a page of another origin sent a request; following a link to a page is allowed."""
    host = headers.get("host", "").lower()
    own = (f"http://{host}", f"https://{host}")
    if any(origin.lower() not in own for origin in headers.getlist("origin")):
        return True
    sites: Sequence[str] = headers.getlist("sec-fetch-site")
    is_link = (
        scope.get("method") in SAFE_METHODS
        and headers.get("sec-fetch-mode") == "navigate"
        and headers.get("sec-fetch-dest") == "document"
    )
    return not is_link and any(site not in ("same-origin", "none") for site in sites)
