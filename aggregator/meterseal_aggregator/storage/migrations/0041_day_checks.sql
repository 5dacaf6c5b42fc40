-- What is odd about a day as a whole, for an operator to look at: it bills all the same.

-- Versions of days that were packed and not looked at yet.
CREATE TABLE days_to_look_at (
  day INTEGER NOT NULL,
  register_id INTEGER NOT NULL REFERENCES registers (id),
  PRIMARY KEY (day, register_id)
) STRICT, WITHOUT ROWID;

CREATE TABLE day_checks (
  id INTEGER PRIMARY KEY CHECK (id > 0),
  register_id INTEGER NOT NULL REFERENCES registers (id),
  day INTEGER NOT NULL,
  version INTEGER NOT NULL,
  failed TEXT NOT NULL CHECK (length(failed) BETWEEN 1 AND 32),
  detail TEXT NOT NULL CHECK (length(detail) <= 200),
  found_at INTEGER NOT NULL,
  UNIQUE (register_id, day, version, failed)
) STRICT;

CREATE TRIGGER day_checks_are_never_changed
BEFORE UPDATE ON day_checks
BEGIN
  SELECT RAISE(ABORT, 'what was found of a day is never changed');
END;

CREATE TRIGGER day_checks_are_never_deleted
BEFORE DELETE ON day_checks
BEGIN
  SELECT RAISE(ABORT, 'what was found of a day is never deleted');
END;

-- Two registers that measure the same, or a part of the other: they may differ by so many
-- basis points of the larger a day.
CREATE TABLE sibling_registers (
  id INTEGER PRIMARY KEY CHECK (id > 0),
  register_id INTEGER NOT NULL REFERENCES registers (id),
  other_id INTEGER NOT NULL REFERENCES registers (id),
  kind TEXT NOT NULL CHECK (kind IN ('check', 'sub')),
  tolerance_bp INTEGER NOT NULL CHECK (tolerance_bp BETWEEN 0 AND 10000),
  author TEXT NOT NULL CHECK (length(author) BETWEEN 1 AND 120),
  stated_at INTEGER NOT NULL,
  UNIQUE (register_id, other_id),
  CHECK (register_id <> other_id)
) STRICT;

CREATE INDEX sibling_registers_by_other ON sibling_registers (other_id);

CREATE TRIGGER sibling_registers_are_never_changed
BEFORE UPDATE ON sibling_registers
BEGIN
  SELECT RAISE(ABORT, 'a relation between registers is never changed');
END;
