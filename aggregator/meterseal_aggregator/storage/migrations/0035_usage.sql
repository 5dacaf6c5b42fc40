-- Usage as it is known: what validation made of readings, beside the readings themselves.
-- Each row has two times: the span it is about, and known_at, when we came to believe it.

-- A value that no device sealed: estimated, imported from a file, or edited by a person.
CREATE TABLE vee_values (
  id INTEGER PRIMARY KEY CHECK (id > 0),
  register_id INTEGER NOT NULL REFERENCES registers (id),
  start INTEGER NOT NULL CHECK (start >= 0),
  length INTEGER NOT NULL CHECK (length > 0),
  delta INTEGER NOT NULL CHECK (delta >= 0),
  quality INTEGER NOT NULL CHECK (quality IN (0, 7, 8, 9)),
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

-- An edit's request, made once, and the salt of its log entry, which may be erased.
CREATE TABLE vee_edits (
  value_id INTEGER PRIMARY KEY REFERENCES vee_values (id),
  request_key TEXT NOT NULL UNIQUE CHECK (length(request_key) BETWEEN 1 AND 64),
  salt BLOB CHECK (length(salt) = 16)
) STRICT;

CREATE TRIGGER vee_edits_only_lose_their_salt
BEFORE UPDATE ON vee_edits
WHEN NEW.value_id <> OLD.value_id OR NEW.request_key <> OLD.request_key
  OR NEW.salt IS NOT NULL
BEGIN
  SELECT RAISE(ABORT, 'of an edit only the salt may be erased');
END;

CREATE TRIGGER vee_edits_are_never_deleted
BEFORE DELETE ON vee_edits
BEGIN
  SELECT RAISE(ABORT, 'an edit is never deleted');
END;

-- A local day of a register as billing reads it: one u32 (little-endian, Wh or litres) and
-- one ESPI quality (u8) a step from the second `first` on, packed, so that a month's bill
-- reads 31 rows however many meters there are; quality 16 is a step nobody knows. `day` is
-- the local date in days since 1970. A day that changes gets the next version; as of a second
-- T the last one with known_at <= T holds. Rebuilt from readings and vee_values at any time.
CREATE TABLE usage_days (
  register_id INTEGER NOT NULL REFERENCES registers (id),
  day INTEGER NOT NULL CHECK (day >= 0),
  version INTEGER NOT NULL CHECK (version >= 1),
  first INTEGER NOT NULL CHECK (first >= 0),
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

CREATE TRIGGER usage_days_are_never_deleted
BEFORE DELETE ON usage_days
BEGIN
  SELECT RAISE(ABORT, 'a day is never deleted');
END;

-- Days of which something came and that wait to be packed; at_once: by what was decided,
-- so no device is waited for.
CREATE TABLE usage_due (
  day INTEGER NOT NULL,
  register_id INTEGER NOT NULL REFERENCES registers (id),
  end_at INTEGER NOT NULL,
  at_once INTEGER NOT NULL CHECK (at_once IN (0, 1)),
  PRIMARY KEY (day, register_id)
) STRICT, WITHOUT ROWID;

-- Readings longer than their register's step: a day is reached into by what began before it.
CREATE TABLE usage_long (
  register_id INTEGER NOT NULL REFERENCES registers (id),
  start INTEGER NOT NULL,
  length INTEGER NOT NULL,
  PRIMARY KEY (register_id, start, length)
) STRICT, WITHOUT ROWID;

-- How far seals and values have been looked through for days to pack; zones: what was said so
-- far to hold in the past, for what is said so later moves the borders of packed days.
CREATE TABLE usage_progress (
  id INTEGER PRIMARY KEY CHECK (id = 1),
  seal_id INTEGER NOT NULL,
  value_id INTEGER NOT NULL,
  zones TEXT NOT NULL DEFAULT '[]'
) STRICT;

INSERT INTO usage_progress (id, seal_id, value_id) VALUES (1, 0, 0);

-- Packing takes every assessed reading for validated but those.
CREATE INDEX vee_assessments_in_doubt ON vee_assessments (start, register_id) WHERE quality <> 17;
