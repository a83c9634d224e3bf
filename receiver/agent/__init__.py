"""What runs beside the agents, in containers of their own teams: health endpoint, synthetic check, resource monitor.

Here belongs what must start in a moment and on nearly nothing: it knows no room of the service, no database, no
settings file of it, and only the command line comes in. What it is told, it is told by options and by the environment
variables that agents have anyway; what it finds, it says in HTTP, in metrics and in its exit code.
"""
