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


class ActionError(ReceiverError):
    """An action of a playbook was refused, or failed, by something that has no errors of its own here.

    Args:
        message: What happened, to what, and what to do, without any secret.
        retryable: Whether the same may work later. It may have taken effect: look before repeating it.
    """

    def __init__(self, message: str, *, retryable: bool = False) -> None:
        super().__init__(message)
        self.retryable = retryable


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


class StoreCrowded(StoreUnavailable):
    """The database answers, but cannot take this now: too much waits, or others write the same at the same time."""


class SpoolUnavailable(StoreUnavailable):
    """The spool on the local disk could not take a delivery: it is full, or its disk fails. Look at `data_dir`."""


class QueryRefused(StoreError):
    """A question about the history cannot be answered as it was asked.

    Args:
        reason: What is wrong, and what to ask instead.
        parameter: Which part of the question is wrong, such as `cursor`.
    """

    def __init__(self, reason: str, *, parameter: str) -> None:
        super().__init__(f"{parameter}: {reason}")
        self.reason = reason
        self.parameter = parameter


class LetterAbsent(StoreError):
    """There is no dead letter of that number."""


class LetterSettled(StoreError):
    """A person has decided about that dead letter already; the first word stays."""


class LetterRefused(StoreError):
    """Postgres still does not take what a dead letter says; it stays what it was."""


class ReplayRefused(StoreError):
    """A message is not sent once more: it has not ended yet, or what was said since would be contradicted."""


class ClusterError(ReceiverError):
    """The Kubernetes API, or Argo Server before it, refused or failed."""


class ClusterUnreachable(ClusterError):
    """No answer came from the Kubernetes API, so a change may have taken effect. Look before repeating it."""

    retryable = True


class ClusterBusy(ClusterError):
    """The Kubernetes API answered that it cannot at the moment. Look before repeating a change.

    Args:
        message: What happened, without any secret.
        retry_after: How long it asked to wait, where it did.
    """

    retryable = True

    def __init__(self, message: str, *, retry_after: timedelta | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class Unauthorized(ClusterError):
    """The Kubernetes API does not accept our token. Renew it."""


class Forbidden(ClusterError):
    """The cluster does not allow us this. Grant the right that is named, or do without."""


class NotFound(ClusterError):
    """The object is not there (any more)."""


class AlreadyExists(ClusterError):
    """Another object has that name, and it is not the one that we meant to create."""


class Conflict(ClusterError):
    """The object changed while it was being changed. Our verbs read it anew each time, so they may be repeated."""

    retryable = True


class PreconditionFailed(ClusterError):
    """The object of that name is not the one that was meant: it was deleted and created anew. Nothing was changed."""


class WorkflowFinished(ClusterError):
    """The workflow had already ended, so there is nothing to end, suspend or resume. Nothing was changed."""


class NodesUnreadable(ClusterError):
    """The steps of a workflow are stored in a form that cannot be read or changed here. Nothing was changed."""


class LogUnreadable(ClusterError):
    """The container has no log to show (yet)."""


class RequestRefused(ClusterError):
    """The Kubernetes API calls the request itself wrong. Repeating it will not help."""


class WouldBeMasked(RequestRefused):
    """The archive of this workflow would be masked, and could not be brought back. Nothing was archived."""


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


class SlackBlocksRefused(SlackError):
    """Slack refused the blocks of a message. The same text without blocks may be accepted: try that once."""


class SlackMessageGone(SlackError):
    """The message to be changed or answered is not there any more, or not ours to change. Post a new one."""


class SlackChannelUnknown(SlackError):
    """Slack shows us no channel of this name or ID: it was renamed or deleted, is private, or never was."""


class SlackAnswerLost(SlackError):
    """No usable answer came back, so the message may stand in the channel or may not. Look before posting again."""

    def __init__(self, message: str, *, retry_after: timedelta | None = None) -> None:
        super().__init__(message, retryable=True, retry_after=retry_after)


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


class PagerDutyEventInvalid(PagerDutyError):
    """An event was not sent, since PagerDuty could only refuse it: it is too long or lacks a required part.

    Args:
        message: What happened, without any secret.
        part: The field that is wrong, such as `payload.summary`; `body` for the event as a whole.
    """

    def __init__(self, message: str, *, part: str) -> None:
        super().__init__(message)
        self.part = part


class S3Error(ReceiverError):
    """The S3 store refused or failed.

    Args:
        message: What happened, to which bucket and key, without any secret.
        retryable: Whether the same request may succeed later.
    """

    def __init__(self, message: str, *, retryable: bool = False) -> None:
        super().__init__(message)
        self.retryable = retryable


class S3Unreachable(S3Error):
    """No answer came from the S3 store, so an object may have been written or not. Look before writing it again."""

    def __init__(self, message: str) -> None:
        super().__init__(message, retryable=True)


class S3Missing(S3Error):
    """The bucket or the object is not there."""


class S3Forbidden(S3Error):
    """The S3 store does not know our credentials, or does not allow us this."""


class S3Exists(S3Error):
    """An object of that key is there already, and was left alone."""


class S3Damaged(S3Error):
    """What arrived is not what was sent: cut, changed, or not the object that was meant. Nothing may rely on it."""

    def __init__(self, message: str) -> None:
        super().__init__(message, retryable=True)


class S3Frozen(S3Error):
    """The object lies in an archive class such as GLACIER, and has to be brought back before it can be read."""


class ArchiveAbsent(ReceiverError):
    """No archive of that number, or of that workflow, is in the index."""


class HistoryAway(ReceiverError):
    """Old history that was asked for lies on S3, and cannot be read now. What Postgres holds is not concerned."""

    retryable = True


class EvidenceAway(ReceiverError):
    """Evidence was kept, and cannot be read at the moment: it lies in a bucket that does not answer or was changed."""


class TiersBusy(ReceiverError):
    """Another export or prune works on this database. Let it end, then begin again."""

    retryable = True


class CleanupBusy(ReceiverError):
    """Another cleanup works with this database. Let it end, then begin again."""

    retryable = True


class AlertmanagerError(ReceiverError):
    """Alertmanager refused a question, or what answered is no Alertmanager.

    Args:
        message: What happened, without any secret.
        retry_after: How long it asked to wait, where it did.
    """

    def __init__(self, message: str, *, retry_after: timedelta | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class AlertmanagerUnreachable(AlertmanagerError):
    """No answer came from Alertmanager, or one that it cannot answer now."""

    retryable = True


class MetricsError(ReceiverError):
    """Prometheus or its Pushgateway refused a question, or what answered is neither."""


class MetricsUnreachable(MetricsError):
    """No answer came from Prometheus or its Pushgateway, or one that it cannot answer now."""

    retryable = True


class TraceError(ReceiverError):
    """A collector did not take a trace."""

    retryable = True


class ErrandError(ReceiverError):
    """A request that a playbook makes could not be made, or nobody answered it."""


class ErrandRefused(ErrandError):
    """A request of a playbook may not be made as it is. Nothing was sent."""


class ErrandUnreachable(ErrandError):
    """No answer came to a request of a playbook, so it may have arrived. Look before repeating it."""

    retryable = True


class RemoteError(ReceiverError):
    """A Receiver that was asked through its API refused or did not answer."""


class LoginError(ReceiverError):
    """Somebody could not be told from anybody else by the provider at which he logs in."""


class ProviderUnreachable(LoginError):
    """The provider did not answer, or not in time."""

    retryable = True


class IdentityRefused(LoginError):
    """What came back from the provider does not prove who somebody is, or was not meant for this service."""
