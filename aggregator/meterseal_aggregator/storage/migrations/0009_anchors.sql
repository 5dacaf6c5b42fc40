-- Anchors: where a checkpoint was published outside this database. The intent is a row
-- without reference, written before the act; the reference is filled in once, after it.

CREATE TABLE anchors (
  id INTEGER PRIMARY KEY,
  publisher TEXT NOT NULL CHECK (length(publisher) BETWEEN 1 AND 32),
  size INTEGER NOT NULL CHECK (size > 0) REFERENCES checkpoints (size),
  root BLOB NOT NULL CHECK (length(root) = 32),
  intended_at INTEGER NOT NULL,
  reference TEXT CHECK (length(reference) BETWEEN 1 AND 512),
  published_at INTEGER,
  UNIQUE (publisher, size),
  CHECK ((reference IS NULL) = (published_at IS NULL))
) STRICT;

CREATE UNIQUE INDEX anchors_have_one_intent ON anchors (publisher) WHERE reference IS NULL;

CREATE TRIGGER anchors_only_grow
BEFORE INSERT ON anchors
WHEN EXISTS (SELECT 1 FROM anchors WHERE publisher = NEW.publisher AND size >= NEW.size)
BEGIN
  SELECT RAISE(ABORT, 'an anchor may only grow');
END;

CREATE TRIGGER anchors_are_filled_in_once
BEFORE UPDATE ON anchors
WHEN OLD.reference IS NOT NULL OR NEW.reference IS NULL OR NEW.id <> OLD.id
  OR NEW.publisher <> OLD.publisher OR NEW.size <> OLD.size OR NEW.root <> OLD.root
  OR NEW.intended_at <> OLD.intended_at
BEGIN
  SELECT RAISE(ABORT, 'an anchor is only completed, and once');
END;

CREATE TRIGGER anchors_are_never_deleted
BEFORE DELETE ON anchors
BEGIN
  SELECT RAISE(ABORT, 'an anchor is never deleted');
END;
