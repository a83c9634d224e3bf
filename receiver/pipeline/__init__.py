"""The order of the rooms: look at an incident, decide, take a run's next step, send a message.

Only here is work claimed from the store, handed to a stage and its answer committed, before the next stage is asked.
Three verbs do it all, each started by a job and each safe to repeat: `look` carries an incident through enrichment,
decision and notification; `tick` takes one run one step further; `send` delivers one message. `labour` keeps them
going. Nothing is decided in this room: stages decide, here it is looked up, asked, kept and followed up.
"""
