"""Receiver: an alert comes in, is kept, understood, acted upon, told, and put away.

The rooms, in the order in which an alert meets them:

* `webhook`: the door in. Parses what Alertmanager sends, keeps it, answers.
* `enrich`: looks around the alert, read-only.
* `remediate`: decides, purely, what may be done; holds the playbook language, the guards and the verbs.
* `notify`: says it to people; rendering apart from sending.
* `pipeline`: the order of these rooms; claims work, performs it, records each answer.

Around them: `model` (the nouns), `settings`, `store` (Postgres), `clients` (the outside world), `web` (what people
and Prometheus read), `upkeep` (what runs by the clock), `sandbox` (stand-ins for what cannot run on a laptop),
`agent` (what runs beside agents, and knows nothing of the rest) and `cli`.

One rule stands under all others: rooms speak through rows. Each answer is committed before the next room is asked, so
data flows one way and a crash loses nothing that was already said.
"""

__version__ = "0.1.0"
