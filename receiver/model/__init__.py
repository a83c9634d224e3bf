"""The nouns of the trade and their states: frozen, pure, known to every room.

Here belong what an alert, an incident, a workflow, a playbook run or a message *is*, the rules by which their states
change, and the root of all errors. Everything here is computed from its arguments: no file is opened, no clock is read,
no network is asked. A type of a third party never enters.
"""
