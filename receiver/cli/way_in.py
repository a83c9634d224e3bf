"""The very first step: the commands that run beside agents go their own way, which imports nothing of the service."""

import sys


def main() -> None:
    """Run the command line."""
    if sys.argv[1:2] == ["agent"]:
        from receiver.agent.front import main as agent  # noqa: PLC0415 - one of the two ways is loaded, never both

        sys.exit(agent())
    from receiver.cli.front import main as service  # noqa: PLC0415

    service()
