"""Talk to an SQLite database from a child process, so that this process never opens its file.

A plain `open()` and `close()` of a database file, or two SQLite libraries in one process, silently drop the POSIX locks
that the process holds on it. The child has one library (apsw) and opens the file with nothing else.

`client.py` is this side, `__main__.py` the child. What the child can do is in a file for each role: `reading.py` never
changes a database. A new role adds its file and one line in `operations.py`.
"""

from grace.kit.sqlite_child.client import SqliteChild
from grace.kit.sqlite_child.protocol import FaultKind, Role, SqliteFault

__all__ = ["FaultKind", "Role", "SqliteChild", "SqliteFault"]
