"""`GET /`: a page of text for whoever opens the address in a browser."""

from typing import Final

from litestar import MediaType, get

from receiver.web.access import needs
from receiver.webhook.access import Role

_PAGE: Final = """\
Receiver keeps every alert that Alertmanager sends, looks around it, heals what is safe to heal
and tells people the rest.

Alertmanager posts to   /api/v1/webhooks/alertmanager
The API                 /api/v1/alerts  /api/v1/incidents  /api/v1/remediations  /api/v1/playbooks  /api/v1/decisions
What was said           /api/v1/outbox  /api/v1/deadletters
Everything as it happens  /api/v1/events/stream
Its description         /schema (OpenAPI 3.1)
How it is               /healthz  /readyz  /metrics
"""


@get("/", opt=needs(Role.VIEWER), media_type=MediaType.TEXT, include_in_schema=False)
async def front() -> str:
    """Say what this is and where everything is."""
    return _PAGE
