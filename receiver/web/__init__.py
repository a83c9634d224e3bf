"""What people, scripts and Prometheus read: the API, the stream of events, health, metrics, and the page at the root.

Here belong paths, parameters and the shapes of answers. A page can ask and never acts: whatever changes something is
written down as a request, and the pipeline answers it. Everything that is needed is handed to `make_app`; importing a
module of this room opens nothing. No client of the outside world comes in here, and no SQL is written here.
"""
