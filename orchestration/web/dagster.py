"""Dagster's web server as it is served here: GraphQL is asked by POST alone.

The processes behind it are started by `orchestration/web/serve.py`.
"""

from starlette.datastructures import Headers
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send

GRAPHQL = "/graphql"


class GraphQLByPost:
    """Keeps GraphQL out of addresses, where an image on any page could start a run.

    Dagster executes what a GET's address says, mutations included; its own pages only ever POST.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Passes a request on without what its address asks; GET opens the GraphQL editor only."""
        if scope["type"] != "http" or scope["path"] != GRAPHQL:
            await self.app(scope, receive, send)
        elif scope["method"] == "POST" or "text/html" in Headers(scope=scope).get("accept", ""):
            await self.app({**scope, "query_string": b""}, receive, send)
        else:
            said = "refused: send GraphQL by POST, with the header Content-Type: application/json\n"
            await PlainTextResponse(said, 405, {"Allow": "POST"})(scope, receive, send)
