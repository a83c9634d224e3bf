import asyncio
import json
import traceback
from datetime import UTC, datetime, timedelta
from typing import Any

import aiohttp
import pytest
from slack_sdk.signature import SignatureVerifier

from receiver.clients.slack import EVENT_ID, LONGEST_SEARCH, PAGE_SIZE, PostedMessage, SlackClient
from receiver.model.errors import SlackAnswerLost, SlackBlocksRefused, SlackError, SlackMessageGone
from receiver.sandbox import slack_press
from receiver.sandbox.loopback import LoopbackServer
from receiver.sandbox.slack import SlackStandIn
from receiver.sandbox.slack_room import BOT_ID, BOT_USER, SlackChannel

CHANNEL = "#taskmaster-alerts"
CHANNEL_ID = "C0ALERTS"
LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)
BLOCKS: list[dict[str, Any]] = [
    {"type": "header", "text": {"type": "plain_text", "text": "nightly-report is stuck"}},
    {"type": "section", "block_id": "facts", "text": {"type": "mrkdwn", "text": "*argo* &lt;!channel&gt;"}},
    {
        "type": "actions",
        "block_id": "ask",
        "elements": [
            {
                "type": "button",
                "action_id": "approve",
                "value": "approval-7",
                "text": {"type": "plain_text", "text": "Approve"},
                "style": "primary",
            }
        ],
    },
]


async def refusal(client: SlackClient, channel: str = CHANNEL, **more: Any) -> SlackError:
    with pytest.raises(SlackError) as caught:
        await client.post(channel, "stuck", **more)
    assert_no_token(caught.value)
    return caught.value


def assert_no_token(error: BaseException) -> None:
    shown = "".join(traceback.format_exception(error)) + repr(error) + repr(error.__cause__)
    assert "xoxb" not in shown


async def test_a_message_is_posted_by_the_name_of_its_channel(slack: SlackStandIn, slack_client: SlackClient) -> None:
    posted = await slack_client.post(CHANNEL, "stuck", BLOCKS)

    [message] = slack.messages(CHANNEL)
    assert posted == PostedMessage(channel_id=CHANNEL_ID, ts=message.ts)
    assert (message.text, list(message.blocks)) == ("stuck", BLOCKS)


async def test_links_are_not_unfolded(slack: SlackStandIn, slack_client: SlackClient) -> None:
    await slack_client.post(CHANNEL, "see https://receiver.example")

    sent = slack.faults.requests[0].json
    assert (sent["unfurl_links"], sent["unfurl_media"]) == (False, False)


async def test_a_message_is_changed_in_place(slack: SlackStandIn, slack_client: SlackClient) -> None:
    posted = await slack_client.post(CHANNEL, "stuck", BLOCKS, metadata={EVENT_ID: "e1"})

    await slack_client.update(posted.channel_id, posted.ts, "healed", BLOCKS[:1])

    [message] = slack.messages(CHANNEL)
    assert (message.text, list(message.blocks)) == ("healed", BLOCKS[:1])
    assert [(edit.text, list(edit.blocks)) for edit in message.edits] == [("stuck", BLOCKS)]
    assert message.metadata == {"event_type": "receiver_message", "event_payload": {EVENT_ID: "e1"}}


async def test_a_change_without_blocks_takes_the_old_ones_away(slack: SlackStandIn, slack_client: SlackClient) -> None:
    posted = await slack_client.post(CHANNEL, "stuck", BLOCKS)

    await slack_client.update(posted.channel_id, posted.ts, "text alone")

    assert slack.messages(CHANNEL)[0].blocks == ()


async def test_a_reply_stands_in_its_thread_and_in_the_channel_only_when_told(
    slack: SlackStandIn, slack_client: SlackClient
) -> None:
    parent = await slack_client.post(CHANNEL, "stuck")

    await slack_client.post(parent.channel_id, "looked around", thread_ts=parent.ts)
    await slack_client.post(parent.channel_id, "failed", thread_ts=parent.ts, broadcast=True)

    assert [reply.text for reply in slack.replies(CHANNEL, parent.ts)] == ["looked around", "failed"]
    assert [message.text for message in slack.messages(CHANNEL)] == ["stuck", "failed"]


async def test_the_token_is_asked_who_it_is(slack_client: SlackClient) -> None:
    identity = await slack_client.auth_test()

    assert (identity.team, identity.user_id, identity.bot_id) == ("Sandbox", BOT_USER, BOT_ID)


async def test_a_message_whose_answer_was_lost_is_found_again(slack: SlackStandIn, slack_client: SlackClient) -> None:
    slack.faults.reset_after_effect(path="chat.postMessage")
    began = datetime.now(UTC)

    error = await refusal(slack_client, metadata={EVENT_ID: "e1"})
    found = await slack_client.find_message(CHANNEL_ID, "e1", oldest=began)

    [message] = slack.messages(CHANNEL)
    assert isinstance(error, SlackAnswerLost)
    assert error.retryable
    assert found == PostedMessage(channel_id=CHANNEL_ID, ts=message.ts)


async def test_a_reply_whose_answer_was_lost_is_found_in_its_thread(
    slack: SlackStandIn, slack_client: SlackClient
) -> None:
    parent = await slack_client.post(CHANNEL, "stuck", metadata={EVENT_ID: "e1"})
    slack.faults.reset_after_effect(path="chat.postMessage")

    await refusal(slack_client, thread_ts=parent.ts, metadata={EVENT_ID: "e2"})
    found = await slack_client.find_message(CHANNEL_ID, "e2", oldest=LONG_AGO, thread_ts=parent.ts)

    [reply] = slack.replies(CHANNEL, parent.ts)
    assert found == PostedMessage(channel_id=CHANNEL_ID, ts=reply.ts)


async def test_a_message_that_never_arrived_is_not_found(slack: SlackStandIn, slack_client: SlackClient) -> None:
    slack.faults.reset_before_effect(path="chat.postMessage")

    error = await refusal(slack_client, metadata={EVENT_ID: "e1"})

    assert error.retryable
    assert await slack_client.find_message(CHANNEL_ID, "e1", oldest=LONG_AGO) is None


async def test_a_message_is_found_on_a_later_page(slack: SlackStandIn, slack_client: SlackClient) -> None:
    posted = await slack_client.post(CHANNEL, "stuck", metadata={EVENT_ID: "e1"})
    for number in range(PAGE_SIZE + 10):
        slack.room(CHANNEL).add(user="U0ANNA", text=f"chatter {number}")

    found = await slack_client.find_message(CHANNEL_ID, "e1", oldest=LONG_AGO)

    assert found == posted
    assert len(slack.faults.seen(path=r"conversations\.history")) == 2


@pytest.mark.parametrize("answer", [{}, {"messages": 7}, {"messages": {"metadata": {}}}])
async def test_a_search_that_is_not_answered_says_nothing_about_the_message(
    slack: SlackStandIn, slack_client: SlackClient, answer: dict[str, Any]
) -> None:
    slack.faults.answer(200, body={"ok": True, **answer})

    with pytest.raises(SlackAnswerLost):
        await slack_client.find_message(CHANNEL_ID, "e1", oldest=LONG_AGO)


@pytest.mark.parametrize(
    "message", ["x", {}, {"metadata": "x"}, {"metadata": {"event_type": "receiver_message", "event_payload": "e1"}}]
)
async def test_a_search_passes_over_messages_of_any_shape(
    slack: SlackStandIn, slack_client: SlackClient, message: object
) -> None:
    slack.faults.answer(200, body={"ok": True, "messages": [message], "response_metadata": []})

    assert await slack_client.find_message(CHANNEL_ID, "e1", oldest=LONG_AGO) is None


async def test_the_metadata_of_another_app_is_not_taken_for_ours(
    slack: SlackStandIn, slack_client: SlackClient
) -> None:
    metadata = {"event_type": "task_created", "event_payload": {EVENT_ID: "e1"}}
    slack.room(CHANNEL).add(user="U0ROBOT", text="task", metadata=metadata)

    assert await slack_client.find_message(CHANNEL_ID, "e1", oldest=LONG_AGO) is None


async def test_a_search_gives_up_rather_than_say_that_there_is_no_message(
    slack: SlackStandIn, slack_client: SlackClient
) -> None:
    more = {"ok": True, "messages": [], "response_metadata": {"next_cursor": "more"}}
    slack.faults.answer(200, body=more, times=None)

    with pytest.raises(SlackError, match="may be older"):
        await slack_client.find_message(CHANNEL_ID, "e1", oldest=LONG_AGO)

    assert len(slack.faults.requests) == LONGEST_SEARCH


async def test_a_search_without_the_right_to_read_says_which_one_is_missing() -> None:
    async with (
        SlackStandIn(scopes=("chat:write",)) as slack,
        SlackClient(token=slack.token, api_url=slack.url) as client,
    ):
        with pytest.raises(SlackError, match=r"missing_scope \(channels:history\)") as caught:
            await client.find_message(CHANNEL_ID, "e1", oldest=LONG_AGO)

    assert not caught.value.retryable


@pytest.mark.parametrize(
    ("channel", "code"),
    [("#nowhere", "channel_not_found"), ("#old", "is_archived"), ("#private", "not_in_channel")],
)
async def test_a_channel_that_cannot_be_used_is_a_matter_for_a_person(channel: str, code: str) -> None:
    channels = [
        SlackChannel(id="C1", name="old", is_archived=True),
        SlackChannel(id="C2", name="private", is_member=False),
    ]
    async with (
        SlackStandIn(channels=channels) as slack,
        SlackClient(token=slack.token, api_url=slack.url) as client,
    ):
        error = await refusal(client, channel)

    assert not error.retryable
    assert code in str(error)
    assert channel in str(error)


async def test_a_wrong_token_is_a_matter_for_a_person(slack: SlackStandIn) -> None:
    async with SlackClient(token="xoxb-of-another-workspace", api_url=slack.url) as client:
        error = await refusal(client)

    assert not error.retryable
    assert "invalid_auth" in str(error)


async def test_blocks_that_slack_refuses_can_be_left_out(slack: SlackStandIn, slack_client: SlackClient) -> None:
    too_long = [{"type": "section", "text": {"type": "mrkdwn", "text": "x" * 3001}}]

    error = await refusal(slack_client, blocks=too_long)
    await slack_client.post(CHANNEL, "stuck")

    assert isinstance(error, SlackBlocksRefused)
    assert "must be less than 3001 characters [json-pointer:/blocks/0/text/text]" in str(error)
    assert [message.text for message in slack.messages(CHANNEL)] == ["stuck"]


async def test_blocks_that_are_too_long_together_are_refused(slack_client: SlackClient) -> None:
    blocks = [{"type": "section", "text": {"type": "mrkdwn", "text": "x" * 2900}} for _ in range(4)]

    error = await refusal(slack_client, blocks=blocks)

    assert isinstance(error, SlackBlocksRefused)
    assert "msg_blocks_too_long" in str(error)


async def test_a_message_that_is_gone_cannot_be_changed_or_answered(
    slack: SlackStandIn, slack_client: SlackClient
) -> None:
    posted = await slack_client.post(CHANNEL, "stuck")
    slack.room(CHANNEL).delete(posted.ts)

    with pytest.raises(SlackMessageGone, match="message_not_found"):
        await slack_client.update(posted.channel_id, posted.ts, "healed")
    with pytest.raises(SlackMessageGone, match="thread_not_found"):
        await slack_client.post(CHANNEL, "reply", thread_ts=posted.ts)


async def test_a_message_of_somebody_else_cannot_be_changed(slack: SlackStandIn, slack_client: SlackClient) -> None:
    theirs = slack.room(CHANNEL).add(user="U0ANNA", text="looking")

    with pytest.raises(SlackMessageGone, match="cant_update_message"):
        await slack_client.update(CHANNEL_ID, theirs.ts, "healed")

    assert slack.messages(CHANNEL)[0].text == "looking"


async def test_a_message_cannot_be_changed_by_the_name_of_its_channel(slack_client: SlackClient) -> None:
    posted = await slack_client.post(CHANNEL, "stuck")

    with pytest.raises(SlackError, match="channel_not_found"):
        await slack_client.update(CHANNEL, posted.ts, "healed")


async def test_posting_too_fast_is_told_how_long_to_wait() -> None:
    async with (
        SlackStandIn(post_every=timedelta(seconds=1), clock=lambda: 5.0) as slack,
        SlackClient(token=slack.token, api_url=slack.url) as client,
    ):
        await client.post(CHANNEL, "first")

        error = await refusal(client)

    assert (error.retryable, error.retry_after) == (True, timedelta(seconds=1))
    assert not isinstance(error, SlackAnswerLost)


@pytest.mark.parametrize("code", ["ratelimited", "rate_limited", "team_added_to_org"])
async def test_a_refusal_that_passes_by_itself_is_retryable(
    slack: SlackStandIn, slack_client: SlackClient, code: str
) -> None:
    slack.faults.answer(200, body={"ok": False, "error": code}, headers={"Retry-After": "30"})

    error = await refusal(slack_client)

    assert (error.retryable, error.retry_after) == (True, timedelta(seconds=30))


@pytest.mark.parametrize("code", ["fatal_error", "internal_error", "request_timeout", "service_unavailable"])
async def test_a_failure_inside_slack_leaves_open_whether_it_posted(
    slack: SlackStandIn, slack_client: SlackClient, code: str
) -> None:
    slack.faults.answer(200, body={"ok": False, "error": code})

    assert isinstance(await refusal(slack_client), SlackAnswerLost)


@pytest.mark.parametrize("status", [500, 502, 503, 504])
@pytest.mark.parametrize("kind", ["text/html", "text/plain", "application/json"])
async def test_a_server_error_without_json_is_retryable(
    slack: SlackStandIn, slack_client: SlackClient, status: int, kind: str
) -> None:
    headers = {"Content-Type": kind, "Retry-After": "9"}
    slack.faults.answer(status, body="<html>upstream xoxb-sandbox-token</html>", headers=headers)

    with pytest.raises(SlackAnswerLost) as caught:
        await slack_client.post(CHANNEL, "stuck")

    assert caught.value.retry_after == timedelta(seconds=9)
    assert "xoxb" not in str(caught.value)


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("text/plain", b"welcome to the hotel network"),
        ("text/html", b"<html>log in</html>"),
        ("application/json", b"<html>"),
        ("application/json", b"[1]"),
        ("application/json", b"{}"),
        ("application/json", b'{"ok": true}'),
        ("application/json", b'{"ok": true, "error": "\xff"}'),
        ("application/json; charset=unheard-of", b'{"ok": "\xff"}'),
    ],
)
async def test_an_answer_that_is_not_slacks_is_no_success(
    slack: SlackStandIn, slack_client: SlackClient, kind: str, body: bytes
) -> None:
    slack.faults.answer(200, body=body, headers={"Content-Type": kind})

    assert isinstance(await refusal(slack_client), SlackAnswerLost)


async def test_an_answer_that_is_not_http_is_retryable_and_hides_the_token() -> None:
    async def babble(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"SSH-2.0-OpenSSH\r\n\r\n")
        await writer.drain()
        writer.close()

    async with (
        await asyncio.start_server(babble, "127.0.0.1", 0) as server,
        SlackClient(token="xoxb-1", api_url=f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/") as client,
    ):
        error = await refusal(client)

    assert isinstance(error, SlackAnswerLost)


@pytest.mark.parametrize("status", [301, 302, 307, 308])
async def test_the_token_does_not_follow_a_redirect_to_another_host(
    slack: SlackStandIn, slack_client: SlackClient, status: int
) -> None:
    tokens: list[str | None] = []

    async def collect(request: aiohttp.web.Request) -> aiohttp.web.Response:
        tokens.append(request.headers.get("Authorization"))
        return aiohttp.web.json_response({"ok": False, "error": "not_authed"})

    async with LoopbackServer([aiohttp.web.route("*", "/{any:.*}", collect)]) as elsewhere:
        slack.faults.answer(status, headers={"Location": f"{elsewhere.origin}/api/chat.postMessage"})
        error = await refusal(slack_client)

    assert tokens == [None]
    assert not error.retryable


async def test_an_unknown_refusal_is_not_repeated(slack: SlackStandIn, slack_client: SlackClient) -> None:
    slack.faults.answer(200, body={"ok": False, "error": "moon_phase_wrong\n\x1b[31m xoxb-sandbox-token"})

    error = await refusal(slack_client)

    assert not error.retryable
    assert "moon_phase_wrong [31m (secret)" in str(error)


async def test_a_slack_that_hangs_is_left_after_the_timeout(slack: SlackStandIn) -> None:
    slack.faults.hang()
    async with SlackClient(token=slack.token, api_url=slack.url, timeout=timedelta(seconds=0.2)) as client:
        error = await refusal(client)

    assert isinstance(error, SlackAnswerLost)
    assert "0.2 s" in str(error)


async def test_a_slack_that_is_not_there_surely_posted_nothing(slack: SlackStandIn) -> None:
    async with LoopbackServer(()) as gone:
        url = f"{gone.origin}/api/"
    async with SlackClient(token=slack.token, api_url=url) as client:
        error = await refusal(client)

    assert error.retryable
    assert not isinstance(error, SlackAnswerLost)


@pytest.mark.parametrize(
    "text",
    [
        '"quotes" \\ and {{ braces }}',
        "NUL \x00 bell \x07 \u2028",
        "кириллица 漢字 🧨 \u202e",
        "half \ud83e here",
        "x" * 39_000,
    ],
)
async def test_hostile_texts_arrive_as_they_were(slack: SlackStandIn, slack_client: SlackClient, text: str) -> None:
    block = {"type": "context", "elements": [{"type": "mrkdwn", "text": text[:3000]}]}

    await slack_client.post(CHANNEL, text, [block], metadata={EVENT_ID: text[:100]})

    [message] = slack.messages(CHANNEL)
    assert (message.text, list(message.blocks)) == (text, [block])


async def test_a_proxy_of_the_environment_is_not_taken(
    slack: SlackStandIn, slack_client: SlackClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")

    await slack_client.post(CHANNEL, "stuck")

    assert len(slack.messages(CHANNEL)) == 1


async def test_many_messages_go_over_one_client_at_once(slack: SlackStandIn, slack_client: SlackClient) -> None:
    posted = await asyncio.gather(*(slack_client.post(CHANNEL, str(number)) for number in range(40)))

    assert len({message.ts for message in posted}) == 40
    assert {message.text for message in slack.messages(CHANNEL)} == {str(number) for number in range(40)}


@pytest.mark.parametrize(
    ("verb", "body", "code"),
    [
        ("chat.postMessage", {"channel": CHANNEL}, "no_text"),
        ("chat.postMessage", {"channel": CHANNEL, "text": "x", "colour": "red"}, "invalid_arg_name"),
        (
            "chat.postMessage",
            {"channel": CHANNEL, "text": "x", "blocks": '[{"type": "divider"}]'},
            "invalid_blocks_format",
        ),
        ("chat.postMessage", {"channel": CHANNEL, "text": "x", "thread_ts": "yesterday"}, "invalid_thread_ts"),
        ("chat.postMessage", {"channel": CHANNEL, "text": "x", "metadata": {"id": 1}}, "invalid_metadata_format"),
        ("chat.postMessage", ["x"], "json_not_object"),
        ("chat.delete", {"channel": CHANNEL_ID}, "unknown_method"),
        ("conversations.history", {"channel": CHANNEL_ID, "limit": 1000}, "invalid_limit"),
    ],
)
async def test_the_stand_in_refuses_as_slack_does(slack: SlackStandIn, verb: str, body: object, code: str) -> None:
    headers = {"Authorization": f"Bearer {slack.token}"}
    async with (
        aiohttp.ClientSession(headers=headers) as session,
        session.post(slack.url + verb, json=body) as response,
    ):
        status, answer = response.status, await response.json()

    assert (status, answer["ok"], answer["error"]) == (200, False, code)


async def test_an_updated_text_has_a_smaller_limit(slack_client: SlackClient) -> None:
    posted = await slack_client.post(CHANNEL, "x" * 4001)

    with pytest.raises(SlackError, match="msg_too_long"):
        await slack_client.update(posted.channel_id, posted.ts, "x" * 4001)


async def test_a_press_is_signed_as_slack_signs_and_tells_what_was_pressed(
    slack: SlackStandIn, slack_client: SlackClient
) -> None:
    await slack_client.post(CHANNEL, "approve?", BLOCKS)
    heard: list[tuple[bytes, dict[str, str]]] = []

    async def interactions(request: aiohttp.web.Request) -> aiohttp.web.Response:
        heard.append((await request.read(), dict(request.headers)))
        return aiohttp.web.Response(text="noted")

    async with LoopbackServer([aiohttp.web.post("/interactions", interactions)]) as app:
        press = await slack.press(f"{app.origin}/interactions", slack.messages(CHANNEL)[0], "approve", "U0ANNA")

    [(body, headers)] = heard
    assert SignatureVerifier(slack.signing_secret).is_valid_request(body, headers)
    assert (press.status, press.body) == (200, "noted")
    assert press.payload["actions"][0]["value"] == "approval-7"
    assert press.payload["user"]["id"] == "U0ANNA"


async def test_an_app_answers_a_press_at_its_response_url_five_times_at_most(
    slack: SlackStandIn, slack_client: SlackClient
) -> None:
    await slack_client.post(CHANNEL, "approve?", BLOCKS)
    press = await slack.press(f"{slack.origin}/nowhere", slack.messages(CHANNEL)[0], "approve", "U0ANNA")

    statuses = []
    async with aiohttp.ClientSession() as session:
        for _ in range(6):
            async with session.post(press.payload["response_url"], data=json.dumps({"text": "done"})) as response:
                statuses.append(response.status)

    assert press.status == 404
    assert statuses == [200] * 5 + [404]
    assert [answer for _, answer in slack.responses] == [{"text": "done"}] * 5


async def test_a_choice_in_a_menu_tells_what_was_chosen(slack: SlackStandIn, slack_client: SlackClient) -> None:
    hour = {"text": {"type": "plain_text", "text": "1 hour"}, "value": "1h"}
    menu = {"type": "static_select", "action_id": "silence", "options": [hour]}
    await slack_client.post(CHANNEL, "silence?", [{"type": "actions", "elements": [menu]}])

    press = await slack.press(slack.origin, slack.messages(CHANNEL)[0], "silence", "U0ANNA", value="1h")

    assert press.payload["actions"][0]["selected_option"] == hour


async def test_an_app_that_does_not_answer_a_press_in_time_has_not_answered(
    slack: SlackStandIn, slack_client: SlackClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(slack_press, "PATIENCE_SECONDS", 0.2)
    await slack_client.post(CHANNEL, "approve?", BLOCKS)

    async with LoopbackServer(()) as app:
        app.faults.hang()
        press = await slack.press(app.origin, slack.messages(CHANNEL)[0], "approve", "U0ANNA")

    assert press.status is None


async def test_only_a_button_that_is_there_can_be_pressed(slack: SlackStandIn, slack_client: SlackClient) -> None:
    await slack_client.post(CHANNEL, "approve?", BLOCKS)

    with pytest.raises(LookupError, match="reject"):
        await slack.press(slack.origin, slack.messages(CHANNEL)[0], "reject", "U0ANNA")
