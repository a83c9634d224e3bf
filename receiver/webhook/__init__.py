"""The door: read what Alertmanager posts, have it kept, and answer only then.

Here belong the grammar of a delivery, the question who may knock, and the route itself, which is a bare ASGI callable
since a framework would cost three times what the reading costs. What is wrong with a body is found here, once; behind
the door a date is a date. Nothing is decided about an alert here, no database and no other service is known: whoever
mounts the door hands in how deliveries and misunderstood bodies are kept. The web may come in for who may do what and
for how errors are worded.
"""
