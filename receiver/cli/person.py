"""Who runs a command, for the record."""

import getpass


def person() -> str:
    """Name whoever runs the command."""
    return f"{getpass.getuser()} at the command line"
