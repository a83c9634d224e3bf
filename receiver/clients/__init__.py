"""The outside world: Kubernetes, and whatever else answers over a network. One small class each.

A client speaks our verbs and returns our nouns. Types and errors of an SDK end here: answers are parsed once, and
every failure becomes an error of `receiver.model.errors` that says what was asked, of what, and whether asking again
may help.
A client asks exactly once, within a time limit, and leaves trying again to its caller, who keeps the record.

What does not belong here: decisions, knowledge of incidents and playbooks, SQL, and anything read from the environment.
Connections are given by the caller; importing this room opens nothing.

Any room above may come in, except the web and the webhook, which only ask through rows.
"""
