"""The verbs that change a cluster, one module each: what must be so before, whether it happened, how it is done.

A verb never decides whether it is its turn, keeps no record and does not try again: `progress` decides, the pipeline
keeps the record, and a verb is performed only for a step that was written down. Verbs that change nothing (`wait`,
`verify`, `approve`) have no module here; they are decided where the run is.
"""

from receiver.remediate.actions.verb import Performed, Verb
from receiver.remediate.actions.workflow_resubmit import WorkflowResubmit
from receiver.remediate.actions.workflow_terminate import WorkflowTerminate

VERBS: tuple[Verb, ...] = (WorkflowTerminate(), WorkflowResubmit())
"""Every verb with an effect."""

BY_NAME = {verb.name: verb for verb in VERBS}

__all__ = ["BY_NAME", "VERBS", "Performed", "Verb"]
