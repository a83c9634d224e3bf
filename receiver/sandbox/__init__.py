"""Stand-ins for what cannot run on a laptop: a Kubernetes API server, Argo's controller, Slack, PagerDuty.

Here live small servers of our own that keep state and obey the rules of the real ones: as strict, with the same
answers, and able to fail like them when a test or the demo asks for it. They are judged by the
suites in `tests/contract`, which run unchanged against the real thing where there is one.

What does not belong here: anything that Receiver needs in production, and any knowledge of Receiver itself beyond its
nouns. A stand-in never knows who is asking. It listens on loopback only, holds everything in memory, and never does a
thing by itself that the real system would not do by itself.

Only the command line and the tests may come in.
"""
