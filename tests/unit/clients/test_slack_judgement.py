from datetime import timedelta
from typing import Any

import pytest

from receiver.clients.slack import SlackClient, judged
from receiver.model.errors import (
    SettingsError,
    SlackAnswerLost,
    SlackBlocksRefused,
    SlackChannelUnknown,
    SlackError,
    SlackMessageGone,
)

PERMANENT = [
    "account_inactive",
    "as_user_not_supported",
    "ekm_access_denied",
    "invalid_arg_name",
    "invalid_arguments",
    "invalid_auth",
    "invalid_form_data",
    "invalid_json",
    "is_archived",
    "missing_scope",
    "msg_too_long",
    "no_permission",
    "no_text",
    "not_authed",
    "not_in_channel",
    "org_login_required",
    "restricted_action",
    "restricted_action_read_only_channel",
    "restricted_action_thread_only_channel",
    "token_expired",
    "token_revoked",
    "too_many_attachments",
]


def judge(status: int = 200, wait: timedelta | None = None, **body: Any) -> SlackError:
    return judged("chat.postMessage for #x", status=status, body=body, wait=wait, secret="xoxb-1")


@pytest.mark.parametrize("code", PERMANENT)
def test_what_a_person_has_to_change_is_not_tried_again(code: str) -> None:
    error = judge(error=code)

    assert (type(error), error.retryable) == (SlackError, False)


@pytest.mark.parametrize("code", ["invalid_blocks", "invalid_blocks_format", "msg_blocks_too_long"])
def test_refused_blocks_have_a_name(code: str) -> None:
    error = judge(error=code)

    assert (type(error), error.retryable) == (SlackBlocksRefused, False)


def test_a_channel_that_is_not_there_has_a_name() -> None:
    error = judge(error="channel_not_found")

    assert (type(error), error.retryable) == (SlackChannelUnknown, False)
    assert "check the channel's name or ID" in str(error)


@pytest.mark.parametrize("code", ["message_not_found", "cant_update_message", "edit_window_closed", "thread_not_found"])
def test_a_message_out_of_reach_has_a_name(code: str) -> None:
    error = judge(error=code)

    assert (type(error), error.retryable) == (SlackMessageGone, False)


@pytest.mark.parametrize(
    ("status", "body"), [(429, {}), (429, {"error": "ratelimited"}), (200, {"error": "rate_limited"})]
)
def test_a_rate_limit_keeps_the_time_to_wait(status: int, body: dict[str, str]) -> None:
    error = judge(status, timedelta(seconds=3), **body)

    assert (type(error), error.retryable, error.retry_after) == (SlackError, True, timedelta(seconds=3))


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (500, {}),
        (502, {}),
        (503, {}),
        (504, {}),
        (200, {}),
        (302, {}),
        (503, {"error": "new_one"}),
        (200, {"ok": True}),
    ],
)
def test_no_clear_answer_is_a_lost_answer(status: int, body: dict[str, Any]) -> None:
    error = judge(status, **body)

    assert (type(error), error.retryable) == (SlackAnswerLost, True)


@pytest.mark.parametrize("status", [400, 401, 403, 404, 405, 413])
def test_an_http_refusal_is_not_tried_again(status: int) -> None:
    assert not judge(status).retryable


def test_a_refusal_says_to_what_why_and_what_to_do() -> None:
    assert str(judge(error="not_in_channel")) == (
        "chat.postMessage for #x: Slack says not_in_channel; invite the app to the channel"
    )


def test_a_missing_scope_is_named() -> None:
    assert "missing_scope (channels:history); grant the app" in str(
        judge(error="missing_scope", needed="channels:history")
    )


@pytest.mark.parametrize(
    "details", [{"errors": 7}, {"response_metadata": []}, {"errors": None}, {"response_metadata": "x"}]
)
def test_details_of_an_odd_shape_do_not_hide_the_refusal(details: dict[str, Any]) -> None:
    assert "invalid_blocks" in str(judge(error="invalid_blocks", **details))


@pytest.mark.parametrize("token", ["", "  ", "xoxb-1\nHost: evil", "xoxb-ключ"])
def test_a_token_that_cannot_be_one_is_refused_without_being_shown(token: str) -> None:
    with pytest.raises(SettingsError) as caught:
        SlackClient(token=token)

    assert "slack.bot_token" in str(caught.value)
    assert "xoxb" not in str(caught.value)


def test_the_token_is_in_no_repr() -> None:
    assert repr(SlackClient(token="xoxb-1\n")) == "SlackClient(api_url='https://slack.com/api/')"
