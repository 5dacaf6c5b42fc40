-- Assessments of accepted readings (append-only) and where each register's checks stand.

CREATE TABLE vee_assessments (
  id INTEGER PRIMARY KEY,
  register_id INTEGER NOT NULL REFERENCES registers (id),
  start INTEGER NOT NULL,
  revision INTEGER NOT NULL CHECK (revision >= 0),
  quality INTEGER NOT NULL CHECK (quality IN (10, 17, 18, 19)),
  checks TEXT NOT NULL,
  assessed_at INTEGER NOT NULL,
  UNIQUE (register_id, start, revision),
  CHECK ((quality = 10) = (checks <> ''))
) STRICT;

CREATE INDEX vee_assessments_of_revisions ON vee_assessments (id) WHERE revision > 0;

CREATE TRIGGER vee_assessments_are_never_changed
BEFORE UPDATE ON vee_assessments
BEGIN
  SELECT RAISE(ABORT, 'an assessment is never changed');
END;

CREATE TRIGGER vee_assessments_are_never_deleted
BEFORE DELETE ON vee_assessments
BEGIN
  SELECT RAISE(ABORT, 'an assessment is never deleted');
END;

CREATE TABLE vee_trails (
  register_id INTEGER PRIMARY KEY REFERENCES registers (id),
  end_at INTEGER NOT NULL,
  value INTEGER NOT NULL,
  last_delta INTEGER NOT NULL,
  last_length INTEGER NOT NULL,
  zero_since INTEGER,
  estimated_since INTEGER
) STRICT;

CREATE TABLE vee_progress (
  id INTEGER PRIMARY KEY CHECK (id = 1),
  seal_id INTEGER NOT NULL
) STRICT;

INSERT INTO vee_progress (id, seal_id) VALUES (1, 0);
