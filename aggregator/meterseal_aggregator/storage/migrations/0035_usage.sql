-- Usage as it is known: what validation made of readings, beside the readings themselves.
-- Each row has two times: the span it is about, and known_at, when we came to believe it.

-- A value that no device sealed: estimated, imported from a file, or edited by a person.
CREATE TABLE vee_values (
  id INTEGER PRIMARY KEY CHECK (id > 0),
  register_id INTEGER NOT NULL REFERENCES registers (id),
  start INTEGER NOT NULL CHECK (start >= 0),
  length INTEGER NOT NULL CHECK (length > 0),
  delta INTEGER NOT NULL CHECK (delta >= 0),
  quality INTEGER NOT NULL CHECK (quality IN (0, 8, 9, 10, 17, 18, 19)),
  source TEXT NOT NULL CHECK (source IN ('estimate', 'edit', 'import')),
  method TEXT NOT NULL CHECK (length(method) <= 32),
  reason TEXT NOT NULL CHECK (length(reason) <= 200),
  author TEXT NOT NULL CHECK (length(author) BETWEEN 1 AND 120),
  known_at INTEGER NOT NULL,
  log_entry_id INTEGER REFERENCES log_entries (id)
) STRICT;

CREATE INDEX vee_values_by_slot ON vee_values (register_id, start, id);

CREATE TRIGGER vee_values_are_never_changed
BEFORE UPDATE ON vee_values
BEGIN
  SELECT RAISE(ABORT, 'a value is never changed, a later one takes its place');
END;

CREATE TRIGGER vee_values_are_never_deleted
BEFORE DELETE ON vee_values
BEGIN
  SELECT RAISE(ABORT, 'a value is never deleted');
END;

-- A local day of a register as billing reads it: one u32 (little-endian, Wh or litres) and
-- one ESPI quality (u8) a step, packed, so that a month's bill reads 31 rows however many
-- meters there are. A day that changes gets the next version; as of a second T the last
-- one with known_at <= T holds. Rebuilt from readings and vee_values at any time.
CREATE TABLE usage_days (
  register_id INTEGER NOT NULL REFERENCES registers (id),
  day INTEGER NOT NULL CHECK (day >= 0),
  version INTEGER NOT NULL CHECK (version >= 1),
  step INTEGER NOT NULL CHECK (step > 0),
  deltas BLOB NOT NULL CHECK (length(deltas) > 0 AND length(deltas) % 4 = 0),
  qualities BLOB NOT NULL CHECK (length(qualities) * 4 = length(deltas)),
  known_at INTEGER NOT NULL,
  PRIMARY KEY (register_id, day, version)
) STRICT, WITHOUT ROWID;

CREATE TRIGGER usage_days_are_never_changed
BEFORE UPDATE ON usage_days
BEGIN
  SELECT RAISE(ABORT, 'a day is never changed, it gets a next version');
END;
