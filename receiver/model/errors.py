"""Every error that Receiver raises on purpose.

One root, one family for each border to the outside. A family exists so that its caller can decide between two things
only: try again later (`retryable`), or tell a person. Errors of drivers and SDKs are translated where they cross the
border and never travel further; what is raised here is written for the person on call: what happened, to what, what to
do.
"""

from datetime import timedelta


class ReceiverError(Exception):
    """Something that Receiver was asked to do could not be done."""

    retryable: bool = False
    """Whether the same request may succeed later without anybody changing anything."""


class SettingsError(ReceiverError):
    """The configuration cannot be used as it is."""


class DocumentError(ReceiverError):
    """A YAML document was refused, at a place that is named.

    Args:
        reason: What is wrong and, where one is near, what was probably meant.
        file: Name of the document as its author knows it.
        line: First line that is concerned, counted from 1.
    """

    def __init__(self, reason: str, *, file: str, line: int) -> None:
        super().__init__(f"{file}:{line}: {reason}")
        self.reason = reason
        self.file = file
        self.line = line


class PlaybookError(ReceiverError):
    """A playbook cannot be used as it is."""


class DeliveryError(ReceiverError):
    """A body is not an Alertmanager webhook message of version 4.

    Args:
        reason: What is wrong, in words that help whoever configured the sender.
        place: Where in the body, as a path such as `alerts[3].startsAt`; empty for the body as a whole.
    """

    def __init__(self, reason: str, *, place: str = "") -> None:
        super().__init__(f"{place}: {reason}" if place else reason)
        self.reason = reason
        self.place = place


class StoreError(ReceiverError):
    """The database could not do what was asked of it."""


class StoreUnavailable(StoreError):
    """The database does not answer, or not in time. Nothing was recorded."""

    retryable = True


class ClusterError(ReceiverError):
    """The Kubernetes API refused or failed."""


class SlackError(ReceiverError):
    """Slack refused or failed.

    Args:
        message: What happened, without any secret.
        retryable: Whether the same message may be accepted later.
        retry_after: How long Slack asked to wait, where it did.
    """

    def __init__(self, message: str, *, retryable: bool = False, retry_after: timedelta | None = None) -> None:
        super().__init__(message)
        self.retryable = retryable
        self.retry_after = retry_after


class PagerDutyError(ReceiverError):
    """PagerDuty refused or failed.

    Args:
        message: What happened, without any secret.
        retryable: Whether the same event may be accepted later.
        retry_after: How long PagerDuty asked to wait, where it did.
    """

    def __init__(self, message: str, *, retryable: bool = False, retry_after: timedelta | None = None) -> None:
        super().__init__(message)
        self.retryable = retryable
        self.retry_after = retry_after
