"""Forward migrations: numbered SQL files, each run once, in order, in one transaction.

There is no way back: a migration leaves a schema that the code before it still runs on.
A file must never change once released; its hash is kept and compared.
"""

import hashlib
import re
from dataclasses import dataclass
from importlib import resources
from typing import Final

from meterseal_aggregator.storage.database import Database, Transaction
from meterseal_proto.errors import Unavailable

_NAME: Final = re.compile(r"(\d{4})_[a-z_]+\.sql")
_TABLE: Final = """
CREATE TABLE IF NOT EXISTS migrations (
  number INTEGER PRIMARY KEY,
  name TEXT NOT NULL,
  sha256 TEXT NOT NULL
) STRICT
"""


@dataclass(frozen=True, slots=True)
class Migration:
    """One numbered file."""

    number: int
    name: str
    sql: str

    @property
    def sha256(self) -> str:
        """The file's hash, hex."""
        return hashlib.sha256(self.sql.encode()).hexdigest()


def migrations() -> list[Migration]:
    """Return every migration shipped, in order."""
    folder = resources.files("meterseal_aggregator.storage") / "migrations"
    found = []
    for file in folder.iterdir():
        match = _NAME.fullmatch(file.name)
        if match:
            found.append(Migration(int(match[1]), file.name, file.read_text("utf-8")))
    return sorted(found, key=lambda migration: migration.number)


async def migrate(database: Database) -> list[str]:
    """Bring the schema up to date; returns the names of the files that ran now.

    Raises Unavailable when the database was made by a later release or by other files.
    """
    async with database.transaction() as tx:
        await tx.rows(_TABLE)
        done = {number: (name, digest) for number, name, digest in await _done(tx)}
        known = {migration.number: migration for migration in migrations()}
        for number, (name, digest) in done.items():
            if number not in known or known[number].sha256 != digest:
                raise Unavailable(
                    f"migration {name} in the database is not the one shipped here"
                )
        pending = [m for number, m in known.items() if number not in done]
        for migration in pending:
            await _run(tx, migration)
        return [migration.name for migration in pending]


async def pending(database: Database) -> list[str]:
    """Return the names of the migrations the database lacks."""
    async with database.reading() as tx:
        known = await tx.rows("SELECT 1 FROM sqlite_master WHERE name = 'migrations'")
        done = {row[0] for row in await _done(tx)} if known else set()
    return [m.name for m in migrations() if m.number not in done]


async def _done(tx: Transaction) -> list[tuple[int, str, str]]:
    rows = await tx.rows("SELECT number, name, sha256 FROM migrations")
    return [(number, name, digest) for number, name, digest in rows]


async def _run(tx: Transaction, migration: Migration) -> None:
    for statement in statements(migration.sql):
        await tx.rows(statement)
    row = (migration.number, migration.name, migration.sha256)
    await tx.rows("INSERT INTO migrations (number, name, sha256) VALUES (?, ?, ?)", row)


def statements(sql: str) -> list[str]:
    """Split a file into statements: each ends with a semicolon at the end of a line.

    A trigger's body is indented, so only a semicolon closing an unindented line, or the
    unindented word END;, ends a statement.
    """
    found: list[str] = []
    lines: list[str] = []
    for line in sql.splitlines():
        bare = line.split("--")[0].rstrip()
        if not bare:
            continue
        lines.append(bare)
        if bare.endswith(";") and not bare.startswith(" "):
            found.append("\n".join(lines))
            lines = []
    if lines:
        raise ValueError(f"a statement without its closing semicolon: {lines[0]!r}")
    return found
