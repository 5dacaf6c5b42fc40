-- Effective-dated values: what held from which second on, append-only.

CREATE TABLE parameters (
  id INTEGER PRIMARY KEY,
  name TEXT NOT NULL CHECK (length(name) BETWEEN 1 AND 64),
  number INTEGER,
  text TEXT CHECK (length(text) <= 256),
  from_at INTEGER NOT NULL CHECK (from_at >= 0),
  recorded_at INTEGER NOT NULL CHECK (recorded_at >= 0),
  recorded_by TEXT NOT NULL CHECK (length(recorded_by) BETWEEN 1 AND 128),
  UNIQUE (name, from_at),
  CHECK ((number IS NULL) <> (text IS NULL))
) STRICT;

CREATE TRIGGER parameters_are_never_changed
BEFORE UPDATE ON parameters
BEGIN
  SELECT RAISE(ABORT, 'a parameter is never changed; record a new value from a later second');
END;

CREATE TRIGGER parameters_are_never_deleted
BEFORE DELETE ON parameters
BEGIN
  SELECT RAISE(ABORT, 'a parameter is never deleted');
END;
