"""The short way for deliveries: straight to the door, without what a page needs and a delivery does not."""

from typing import cast

from litestar.types import ASGIApp, Receive, Scope, Send

from receiver.web.description import WEBHOOK_PATH
from receiver.webhook import route
from receiver.webhook.route import Door


def with_short_way(app: ASGIApp, door: Door) -> ASGIApp:
    """Let POSTs to the webhook's own path go straight to the door, and everything else to the application.

    The application has the same door mounted, for other methods and spellings, and describes it. What the short way
    leaves out is routing and middleware, which cost more than reading the delivery; the door looks at callers itself.
    """

    async def lead(scope: Scope, receive: Receive, send: Send) -> None:
        if scope.get("method") == "POST" and scope["path"] == WEBHOOK_PATH:
            await door(cast("route.Scope", scope), cast("route.Receive", receive), cast("route.Send", send))
        else:
            await app(scope, receive, send)

    return lead
