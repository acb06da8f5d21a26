"""Keep a price list in motion: `python clerk.py orders.db --record clerk.txt`. Runs until SIGTERM.

Every tenth of a second it sets the price of juice and adds an item of its own, each in a transaction; `--record` gets
one line for each that was committed: which item, and its price.
"""

import argparse
import signal
import sqlite3
import sys
from contextlib import closing
from pathlib import Path
from typing import Final

EVERY_S: Final = 0.1
WAIT_FOR_LOCK_S: Final = 10
FIRST_PRICE: Final = 401
STOP_SIGNALS: Final = {signal.SIGTERM, signal.SIGINT}


def main() -> None:
    """Change rows until told to stop."""
    parser = argparse.ArgumentParser(description="Change rows of a price list steadily.")
    parser.add_argument("database")
    parser.add_argument("--record", type=Path, required=True)
    options = parser.parse_args()
    signal.pthread_sigmask(signal.SIG_BLOCK, STOP_SIGNALS)
    with (
        options.record.open("a", buffering=1, encoding="ascii") as record,
        closing(sqlite3.connect(options.database, timeout=WAIT_FOR_LOCK_S, isolation_level=None)) as connection,
    ):
        price = FIRST_PRICE
        while signal.sigtimedwait(STOP_SIGNALS, EVERY_S) is None:
            connection.execute("UPDATE prices SET price_cents = ? WHERE item = 'juice'", (price,))
            record.write(f"juice {price}\n")
            connection.execute("INSERT INTO prices VALUES (?, ?)", (f"special-{price}", price))
            record.write(f"special-{price} {price}\n")
            price += 1


if __name__ == "__main__":
    sys.exit(main())
