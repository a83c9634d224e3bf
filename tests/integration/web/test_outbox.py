"""A message that did not arrive is sent once more, when an admin asks for it."""

from typing import Any


async def test_a_dead_message_is_sent_once_more_by_an_admin_and_nobody_else(site: Any, records: Any) -> None:
    message = await records.message(state="dead", due_at=None, error="channel_not_found", attempts=1)

    refused = await site.ask("POST", f"/api/v1/outbox/{message}/replay", role="operator")
    answer = await site.ask("POST", f"/api/v1/outbox/{message}/replay", role="admin")
    again = await site.ask("POST", f"/api/v1/outbox/{message}/replay", role="admin")
    absent = await site.ask("POST", f"/api/v1/outbox/{message + 1}/replay", role="admin")

    assert (refused.status_code, answer.status_code, again.status_code, absent.status_code) == (403, 200, 409, 404)
    shown = answer.json()
    assert (shown["state"], shown["error"], shown["attempts"]) == ("pending", "", 1)
    assert shown["replayed_at"] is not None
    assert "it is still tried" in again.json()["detail"]
