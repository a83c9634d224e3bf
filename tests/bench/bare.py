"""The yardstick: a route of Litestar's that decodes a delivery and stores nothing, under the same server."""

import sys
from typing import Any

import msgspec
import uvicorn
from litestar import Litestar, post


class BareAlert(msgspec.Struct):
    """As little of an alert as a route could want."""

    status: str
    labels: dict[str, str]
    annotations: dict[str, str]
    startsAt: str  # noqa: N815 - Alertmanager's name
    endsAt: str  # noqa: N815
    fingerprint: str


class BareDelivery(msgspec.Struct):
    """The same of a delivery."""

    version: str
    groupKey: str  # noqa: N815
    alerts: list[BareAlert]


@post("/api/v1/webhooks/alertmanager", status_code=200)
async def receive(data: BareDelivery) -> dict[str, Any]:
    """Decode, count, answer."""
    return {"alerts": len(data.alerts)}


if __name__ == "__main__":
    app = Litestar([receive], request_max_body_size=16 * 1024 * 1024, logging_config=None, openapi_config=None)
    uvicorn.run(app, host="127.0.0.1", port=int(sys.argv[1]), log_config=None, access_log=False)
