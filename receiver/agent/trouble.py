"""The errors of this room. Those of the service are not known here."""


class AgentError(Exception):
    """It cannot go on; the text says what happened, to what, and what to do."""


class AgentMisused(AgentError):
    """It was asked or configured wrongly."""


class CheckFailed(Exception):
    """A check found what it looks for; the text is its reason, in one line."""
