"""What Slack refuses in a message beside its blocks, told by Slack's own codes: pure.

From https://docs.slack.dev/reference/methods/chat.postMessage, chat.update beside it, and for answers to a press
https://docs.slack.dev/interactivity/handling-user-interaction. Stricter where Slack passes over what it does not know.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from receiver.sandbox.blocks import TOTAL_CHARACTERS, block_errors, total_characters

_METADATA: Final = re.compile(r"[a-z0-9_]{1,255}")
_ANSWER: Final = frozenset(
    {"text", "blocks", "response_type", "replace_original", "delete_original", "thread_ts", "mrkdwn"}
)
_KINDS_OF_ANSWER: Final = frozenset({"ephemeral", "in_channel"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """Why Slack does not take what an app sent, whatever stands in its channels.

    Attributes:
        code: Slack's name for it.
        messages: What it says beside that.
    """

    code: str
    messages: tuple[str, ...] = ()


def message_fault(asked: Mapping[str, Any]) -> Fault | None:
    """Judge the arguments of `chat.postMessage` or `chat.update`; None for what is taken."""
    judged = ((name, *_ARGUMENTS[name], value) for name, value in asked.items() if name in _ARGUMENTS)
    wrong = [f"{name} must be {kind}" for name, kind, fits, value in judged if not fits(value)]
    if wrong:
        return Fault(code="invalid_arguments", messages=tuple(wrong))
    return content_fault(asked.get("text", ""), asked.get("blocks", [])) or _metadata_fault(asked.get("metadata", {}))


def content_fault(text: Any, blocks: Any) -> Fault | None:
    """Judge what a message says."""
    if not isinstance(text, str):
        return Fault(code="invalid_arguments", messages=("text must be a string",))
    if not isinstance(blocks, list) or not all(isinstance(block, dict) for block in blocks):
        return Fault(code="invalid_blocks_format")
    if errors := block_errors(blocks):
        return Fault(code="invalid_blocks", messages=tuple(errors))
    if total_characters(blocks) > TOTAL_CHARACTERS:
        return Fault(code="msg_blocks_too_long")
    return None if text or blocks else Fault(code="no_text")


def answer_fault(answer: Mapping[str, Any]) -> Fault | None:
    """Judge what an app answers at the response URL of a press."""
    unknown = sorted(answer.keys() - _ANSWER)
    flags = [answer.get(name, False) for name in ("replace_original", "delete_original")]
    if unknown or not all(isinstance(flag, bool) for flag in flags):
        return Fault(code="invalid_payload", messages=tuple(unknown))
    if answer.get("response_type", "ephemeral") not in _KINDS_OF_ANSWER:
        return Fault(code="invalid_payload", messages=("response_type",))
    if answer.get("delete_original") is True:
        return None
    return content_fault(answer.get("text", ""), answer.get("blocks", []))


def _metadata_fault(metadata: Any) -> Fault | None:
    if metadata == {}:
        return None
    fault = Fault(code="invalid_metadata_format")
    if not isinstance(metadata, dict) or metadata.keys() != {"event_type", "event_payload"}:
        return fault
    named = isinstance(metadata["event_type"], str) and _METADATA.fullmatch(metadata["event_type"])
    return None if named and isinstance(metadata["event_payload"], dict) else fault


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _is_flag(value: Any) -> bool:
    # As JSON, or as a form writes it.
    return isinstance(value, bool) or value in ("true", "false", "1", "0")


_FLAGS: Final = ("link_names", "reply_broadcast", "unfurl_links", "unfurl_media", "mrkdwn")
_ARGUMENTS: Final[Mapping[str, tuple[str, Callable[[Any], bool]]]] = {
    **dict.fromkeys(("channel", "text", "parse"), ("a string", _is_text)),
    **dict.fromkeys(_FLAGS, ("true or false", _is_flag)),
}
