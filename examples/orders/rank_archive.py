"""Rank a shop's archive and write that beside the database: `python rank_archive.py FOLDER`; some seconds of work.

`work.log` in the folder gets a line when the work begins and one when it is done, so that a person can count how often
it was done. The standard library alone.
"""

import argparse
import json
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Final

ORDERS: Final = 2500
PLACE: Final = "SELECT count(*) FROM archive WHERE total_cents > ?"


def main() -> None:
    """Work out the mean rank of each item among the newest archived orders."""
    parser = argparse.ArgumentParser(description="Rank the newest archived orders by counting those that were dearer.")
    parser.add_argument("folder", type=Path)
    folder = parser.parse_args().folder
    log = folder / "work.log"
    _note(log, "began")
    ranks: dict[str, list[int]] = {}
    with closing(sqlite3.connect(f"{(folder / 'orders.db').as_uri()}?mode=ro", uri=True)) as database:
        newest = database.execute(
            "SELECT item, total_cents FROM archive ORDER BY id DESC LIMIT ?", (ORDERS,)
        ).fetchall()
        for item, total_cents in newest:
            ranks.setdefault(item, []).append(database.execute(PLACE, (total_cents,)).fetchone()[0])
    means = {item: sum(places) / len(places) for item, places in ranks.items()}
    (folder / "ranking.json").write_text(json.dumps(means) + "\n", encoding="utf-8")
    _note(log, "done")


def _note(log: Path, word: str) -> None:
    with log.open("a", encoding="ascii") as file:
        file.write(word + "\n")


if __name__ == "__main__":
    main()
