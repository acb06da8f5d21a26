"""Whether a database has every table, column and index of its revision: a hand with a shell can take some away."""

from __future__ import annotations

from typing import Final

from sqlalchemy import Engine

from grace.record.store.tables import metadata

_STANDING: Final = """
    SELECT t.name, c.name FROM sqlite_master AS t, pragma_table_info(t.name) AS c WHERE t.type = 'table'
    UNION ALL SELECT name, '' FROM sqlite_master WHERE type IN ('table', 'index')
"""


def missing_parts(engine: Engine) -> tuple[str, ...]:
    """Name what is not there, such as `table runs`, `column runs.doc`; of a missing table the table alone."""
    with engine.connect() as connection:
        standing = {(str(row[0]), str(row[1])) for row in connection.exec_driver_sql(_STANDING)}
    missing: list[str] = []
    for table in metadata.sorted_tables:
        if (table.name, "") not in standing:
            missing.append(f"table {table.name}")
            continue
        columns = (column.name for column in table.columns)
        missing += [f"column {table.name}.{name}" for name in columns if (table.name, name) not in standing]
        names = sorted(str(index.name) for index in table.indexes)
        missing += [f"index {name}" for name in names if (name, "") not in standing]
    return tuple(missing)
