"""Which dashboards there are, and how one is written down."""

import json
from collections.abc import Callable
from typing import Final

from grafana_foundation_sdk.builders.dashboard import Dashboard
from grafana_foundation_sdk.cog.encoder import JSONEncoder

from deploy.grafana import receiver, remediation, workflows

BOARDS: Final[dict[str, Callable[[], Dashboard]]] = {
    "long-running-workflows": workflows.board,
    "receiver": receiver.board,
    "remediation": remediation.board,
}
"""By the name of the file that it is written to."""


def written(board: Dashboard) -> str:
    """Write a dashboard as Grafana provisions it: the model itself, without the wrapper of the API."""
    model = board.build()
    for place, panel in enumerate(model.panels or (), start=1):
        panel.id_val = place
    return json.dumps(model, cls=JSONEncoder, indent=2, ensure_ascii=False) + "\n"
