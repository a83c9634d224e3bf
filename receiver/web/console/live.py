"""`/live`: tells an open page that it is no longer true. The page then asks for itself anew."""

from typing import Annotated

from litestar import get
from litestar.di import NamedDependency
from litestar.params import QueryParameter
from litestar.response import Stream

from receiver.web.access import needs
from receiver.web.feed import Feed
from receiver.webhook.access import Role


@get("/live", opt=needs(Role.VIEWER), media_type="text/event-stream", include_in_schema=False)
async def live(
    feed: NamedDependency[Feed], incident: Annotated[int | None, QueryParameter(ge=1, le=2**63 - 1)] = None
) -> Stream:
    """Answer with an event `news` whenever something happened, about one incident or at all."""
    return Stream(feed.news(incident), media_type="text/event-stream")
