"""The settings of what runs by the clock and not by an alert."""

from typing import Annotated

import msgspec

from receiver.model.duration import Duration
from receiver.settings.part import Part


class Cleanup(Part, frozen=True):
    """What `receiver cleanup` may delete."""

    older_than: Duration = Duration(days=7)
    """How long ago a workflow must have ended: long enough to look into what failed last week."""
    budget: Annotated[int, msgspec.Meta(ge=1)] = 500
    """Most objects that one run deletes, so that a wrong limit is noticed before all is gone from the cluster."""
