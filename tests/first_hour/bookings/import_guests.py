"""A nightly import that begins a transaction and then hangs: nobody can book while it lives."""

from __future__ import annotations

import signal
import sqlite3
import sys

connection = sqlite3.connect(sys.argv[1], isolation_level=None)
connection.execute("BEGIN IMMEDIATE")
connection.execute("INSERT INTO bookings (room, guest) VALUES ('attic', 'import')")
print("holding the write lock", flush=True)  # noqa: T201 - whoever started it waits for this
signal.pause()
