"""The front door for operators: reads the settings, opens what is needed, wires it, and says what happened.

This is the one place where the environment is read and where processes begin and end. Commands import what they need
when they run, so that `receiver --help` is quick and a broken optional part breaks only its own command. Exit codes:
0 done, 1 failed, 2 wrong usage or configuration.
"""

from receiver.cli.way_in import main

__all__ = ["main"]
