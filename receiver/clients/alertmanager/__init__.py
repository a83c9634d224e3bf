"""One Alertmanager, through its v2 API: what it has now, and silences.

The forms are those of its OpenAPI document (`api/v2/openapi.yaml` of releases 0.25 to 0.34); whatever a release adds is
ignored. Version 1 of the API is not spoken: it is gone since 0.27. A pair is two clients, since each peer is asked for
itself: what one of them does not know, the other may. Silences are told by one peer to the others.

`asking` asks once and judges the answer, `silences` has what changes something, `client` is all in one.
"""

from receiver.clients.alertmanager.client import AlertmanagerClient, AlertState, HeldAlert, PeerStatus
from receiver.clients.alertmanager.silences import Silence, SilenceState

__all__ = ["AlertState", "AlertmanagerClient", "HeldAlert", "PeerStatus", "Silence", "SilenceState"]
