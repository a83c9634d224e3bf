"""Decide what may be done about an alert, and say step by step how; do it only when the pipeline says so.

Here live the playbook language, the guards, the decision and the progress of a run, all of them pure: they take values
and a time and return values with a reason. The verbs under `actions` are the only part that touches a cluster, one
module each, and a verb is performed only for a step that the pipeline has written down before.

What does not belong here: SQL, jobs and transactions, reading the cluster (the pipeline reads, and hands in what it
found), telling people, and any knowledge of where a fact is kept.

The pipeline and the command line may come in. No other stage may, and this room asks none of them.
"""
