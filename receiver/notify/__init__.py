"""Tell people: what is said about an incident, to whom and when, and how it is brought to them.

`plan` decides what is to be said, `deliver` brings one message to its place. Between the two lies the outbox, so that
what was decided is said once, in order, also after a crash: nothing is sent by whoever decides, and nothing is decided
by whoever sends. Rendering is apart from both, one module for each place: its limits, its escapes, its notation.

What does not belong here: SQL and jobs, reading the cluster, and decisions about playbooks. All that is known of an
incident is handed in, and everything in it that others wrote (labels, annotations, messages, logs) is hostile.
Only the pipeline and the command line come in.
"""
