"""Dagster's web server as it is served here: GraphQL takes POST requests only.

The processes behind it are started by `orchestration/web/serve.py`.
"""

from starlette.datastructures import Headers
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send

GRAPHQL = "/graphql"


class GraphQLByPost:
    """Refuses GraphQL by GET, with which an image on any page could start a run.

    Dagster executes the query in a GET's address, mutations included; its own pages only POST.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Passes a request on without its address's query; GET only opens the GraphQL editor."""
        if scope["type"] != "http" or scope["path"] != GRAPHQL:
            await self.app(scope, receive, send)
        elif scope["method"] == "POST" or "text/html" in Headers(scope=scope).get("accept", ""):
            await self.app({**scope, "query_string": b""}, receive, send)
        else:
            message = (
                "refused: send GraphQL by POST, with the header Content-Type: application/json\n"
            )
            await PlainTextResponse(message, 405, {"Allow": "POST"})(scope, receive, send)
