"""A message that did not arrive is sent once more, when an admin asks for it."""

from typing import Any

from .test_console import logged_in


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


async def test_the_console_shows_what_a_dead_message_says_and_why_it_is_dead(site: Any, records: Any) -> None:
    said = {"text": "🔴 etl-nightly &amp; co &lt;b&gt; stuck", "blocks": []}
    await records.message(state="dead", due_at=None, error="channel_not_found", payload=said)
    await records.message(key="k2", place="pagerduty", act="resolve", payload={"dedup_key": "k"})
    client = await logged_in(site)

    page = (await client.get("/outbox")).text

    assert "🔴 etl-nightly &amp; co &lt;b&gt; stuck</bdi>" in page
    assert "channel_not_found" in page
    assert page.count("What it says") == 1
