-- What keeps a deed from going on, as long as it does; and what takes the place of one that
-- no node takes.

-- cancels = 1: a transaction under the deed's nonce that does nothing, so that the deeds
-- behind it go on.
ALTER TABLE attempts
ADD COLUMN cancels INTEGER NOT NULL DEFAULT 0 CHECK (cancels IN (0, 1));

CREATE TRIGGER attempts_stay_what_they_are
BEFORE UPDATE ON attempts
WHEN NEW.cancels <> OLD.cancels
BEGIN
  SELECT RAISE(ABORT, 'a signed transaction stays what it is');
END;

-- refused: no node takes it, for a reason that does not pass; postponed: for one that may.
-- held: what was asked first says no. unheard: no answer of use came. One row a kind, from
-- the first time to the last.
CREATE TABLE troubles (
  deed_id INTEGER NOT NULL REFERENCES deeds (id),
  kind TEXT NOT NULL CHECK (kind IN ('refused', 'postponed', 'held', 'unheard')),
  why TEXT NOT NULL CHECK (length(why) BETWEEN 1 AND 500),
  first_at INTEGER NOT NULL,
  last_at INTEGER NOT NULL,
  PRIMARY KEY (deed_id, kind)
) STRICT;
