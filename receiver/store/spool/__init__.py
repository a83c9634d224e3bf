"""Deliveries on the local disk, for as long as the database is away.

What belongs here: the form of a record and how a torn one is told from a whole one, the files that hold records, the
folder that one process holds at a time, and the spool itself, which writes what comes together with one fsync. What
does not: when the spool is used and when it is drained, and anything that is known of alerts; a record is a key, a time
and a body. Only the store comes in here, and the command line, which opens the spool and closes it.

What is promised. When `Spool.append` returns, the record survives the death of the process and of the machine. After a
death the records that were promised are found, in order, and nothing else: the tail that a death tore off is cut. Which
record is next is noted on the disk after each batch that was drained; where that note is lost, records are drained
again, which their keys make harmless.

Who may enter. The folder has the mode 0700 and the files 0600: bodies of alerts name what is wrong with us.
"""

from receiver.store.spool.frame import Record
from receiver.store.spool.spool import Figures, Kept, Spool
from receiver.store.spool.trial import Trial, try_out

__all__ = ["Figures", "Kept", "Record", "Spool", "Trial", "try_out"]
"""The public names."""
