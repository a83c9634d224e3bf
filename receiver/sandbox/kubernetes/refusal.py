"""What the API server says when it refuses: the Status object, with the code, reason and words of the real one."""

from typing import Any

from receiver.model.errors import ReceiverError
from receiver.sandbox.kubernetes.kind import Json, Kind


class Refusal(ReceiverError):
    """A request that the API server answers with a failure.

    Args:
        code: HTTP status.
        reason: Kubernetes' machine-readable reason, by which callers tell two refusals of one code apart.
        message: For people.
        details: Which object is meant and, for invalid ones, which fields.
    """

    def __init__(self, code: int, reason: str, message: str, *, details: Json | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.reason = reason
        self.message = message
        self.details = details or {}

    def status(self) -> Json:
        """Return the body of the answer."""
        return {
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": {},
            "status": "Failure",
            "message": self.message,
            "reason": self.reason,
            "details": self.details,
            "code": self.code,
        }


def _details(kind: Kind, name: str, **more: object) -> Json:
    return {"name": name, "group": kind.group, "kind": kind.plural, **more}


def bad_request(message: str) -> Refusal:
    """The request makes no sense."""
    return Refusal(400, "BadRequest", message)


def unauthorized() -> Refusal:
    """The token is not known."""
    return Refusal(401, "Unauthorized", "Unauthorized")


def forbidden(kind: Kind, name: str, why: str) -> Refusal:
    """The caller may not, or the state of the object does not allow it."""
    subject = f'{kind.qualified} "{name}"' if name else kind.qualified
    return Refusal(403, "Forbidden", f"{subject} is forbidden: {why}", details=_details(kind, name))


def not_found(kind: Kind, name: str) -> Refusal:
    """There is no such object, or no such subresource: the real server says the same of both."""
    return Refusal(404, "NotFound", f'{kind.qualified} "{name}" not found', details=_details(kind, name))


def method_not_allowed() -> Refusal:
    """The resource exists and does not do this."""
    return Refusal(405, "MethodNotAllowed", "the server does not allow this method on the requested resource")


def already_exists(kind: Kind, name: str) -> Refusal:
    """The name is taken."""
    return Refusal(409, "AlreadyExists", f'{kind.qualified} "{name}" already exists', details=_details(kind, name))


def conflict(kind: Kind, name: str, why: str = "") -> Refusal:
    """The object is not in the state that the caller believes."""
    why = why or "the object has been modified; please apply your changes to the latest version and try again"
    message = f'Operation cannot be fulfilled on {kind.qualified} "{name}": {why}'
    return Refusal(409, "Conflict", message, details=_details(kind, name))


def expired(why: str) -> Refusal:
    """The state that is asked for is too old to be known."""
    return Refusal(410, "Expired", why)


def unsupported_media(accepted: str) -> Refusal:
    """The body is of a type that is not understood here."""
    message = f"the body of the request was in an unknown format - accepted media types include: {accepted}"
    return Refusal(415, "UnsupportedMediaType", message)


def invalid(kind: Kind, name: str, *causes: tuple[str, str]) -> Refusal:
    """Fields of the object are wrong; *causes* are pairs of field and what is wrong with it."""
    said: list[dict[str, Any]] = [
        {"reason": f"FieldValue{why.split(':')[0].title().replace(' ', '')}", "message": why, "field": where}
        for where, why in causes
    ]
    listed = [f"{where}: {why}" for where, why in causes]
    text = listed[0] if len(listed) == 1 else f"[{', '.join(listed)}]"
    kinded = f"{kind.kind}.{kind.group}" if kind.group else kind.kind
    details = {"name": name, "group": kind.group, "kind": kind.kind, "causes": said}
    return Refusal(422, "Invalid", f'{kinded} "{name}" is invalid: {text}', details=details)


def unprocessable(message: str) -> Refusal:
    """The body is well formed and cannot be carried out."""
    return Refusal(422, "Invalid", message)
