-- The last checkpoint this trustee cosigned of a log: what it never goes behind, and the
-- checkpoints which that log signed and which were not cosigned, because they do not extend it.

CREATE TABLE witnessed (
  origin TEXT PRIMARY KEY CHECK (length(origin) BETWEEN 1 AND 255),
  size INTEGER NOT NULL CHECK (size >= 0),
  root BLOB NOT NULL CHECK (length(root) = 32),
  note TEXT NOT NULL,
  at INTEGER NOT NULL CHECK (at > 0)
) STRICT;

CREATE TRIGGER witnessed_never_goes_back
BEFORE UPDATE ON witnessed
WHEN NEW.origin <> OLD.origin OR NEW.size < OLD.size OR NEW.at < OLD.at
  OR (NEW.size = OLD.size AND NEW.root <> OLD.root)
BEGIN
  SELECT RAISE(ABORT, 'a witness never goes back behind what it cosigned');
END;

CREATE TRIGGER witnessed_no_delete
BEFORE DELETE ON witnessed
BEGIN
  SELECT RAISE(ABORT, 'a witness never forgets what it cosigned');
END;

-- standing is the note that was cosigned before: with note it shows a fork where sizes are equal.
CREATE TABLE contradictions (
  origin TEXT NOT NULL REFERENCES witnessed (origin),
  size INTEGER NOT NULL,
  root BLOB NOT NULL CHECK (length(root) = 32),
  note TEXT NOT NULL,
  standing TEXT NOT NULL,
  at INTEGER NOT NULL,
  PRIMARY KEY (origin, size, root)
) STRICT;

CREATE TRIGGER contradictions_no_update
BEFORE UPDATE ON contradictions
BEGIN
  SELECT RAISE(ABORT, 'a trustee keeps what it said: contradictions only grows');
END;

CREATE TRIGGER contradictions_no_delete
BEFORE DELETE ON contradictions
BEGIN
  SELECT RAISE(ABORT, 'a trustee keeps what it said: contradictions only grows');
END;
