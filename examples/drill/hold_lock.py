"""Take the write lock of an SQLite database and hang: `python hold_lock.py DATABASE`. Changes nothing.

Ends on SIGTERM, and when whoever started it is gone: then its standard input closes.
"""

import sqlite3
import sys
from contextlib import closing
from typing import Final

_WAIT_FOR_LOCK_S: Final = 30


def main(database: str) -> None:
    """Hold the lock until a signal or the end of the input."""
    with closing(sqlite3.connect(database, timeout=_WAIT_FOR_LOCK_S, isolation_level=None)) as connection:
        connection.execute("BEGIN IMMEDIATE")
        sys.stdout.write("holding\n")
        sys.stdout.flush()
        sys.stdin.read()


if __name__ == "__main__":
    main(sys.argv[1])
