"""Take a database's write lock and hang: `python hold_lock.py orders.db`. Nothing is printed and nothing is changed."""

import argparse
import signal
import sqlite3
from contextlib import closing

WAIT_FOR_LOCK_S = 30


def main() -> None:
    """Hold the lock until a signal ends the process."""
    parser = argparse.ArgumentParser(description="Take a SQLite database's write lock and hang.")
    parser.add_argument("database")
    parser.add_argument("--stubborn", action="store_true", help="ignore SIGTERM, so that only SIGKILL helps")
    options = parser.parse_args()
    if options.stubborn:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    with closing(sqlite3.connect(options.database, timeout=WAIT_FOR_LOCK_S, isolation_level=None)) as connection:
        connection.execute("BEGIN IMMEDIATE")
        connection.execute("UPDATE prices SET price_cents = price_cents")
        while True:
            signal.pause()


if __name__ == "__main__":
    main()
