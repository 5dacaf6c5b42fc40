-- What a committed register showed when a device of it was enrolled, sealed for that device
-- alone: with it and its days a successor that has the secret knows what flowed until it came.
CREATE TABLE sealed_starts (
  id INTEGER PRIMARY KEY CHECK (id > 0),
  register_id INTEGER NOT NULL REFERENCES registers (id),
  at INTEGER NOT NULL CHECK (at >= 0),
  sealed BLOB NOT NULL CHECK (length(sealed) = 24),
  received_at INTEGER NOT NULL
) STRICT;

CREATE INDEX sealed_starts_by_register ON sealed_starts (register_id, id);

CREATE TRIGGER sealed_starts_are_never_changed
BEFORE UPDATE ON sealed_starts
BEGIN
  SELECT RAISE(ABORT, 'a sealed start is never changed');
END;
