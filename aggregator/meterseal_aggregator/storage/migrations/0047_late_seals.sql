-- How far seals were looked at for what came late of an erased member's time, and whether the
-- file is still to be written anew because of what was taken out then.

CREATE TABLE erasure_marks (
  one INTEGER PRIMARY KEY CHECK (one = 1),
  seals_to INTEGER NOT NULL CHECK (seals_to >= 0),
  to_rewrite INTEGER NOT NULL CHECK (to_rewrite IN (0, 1))
) STRICT;

-- Where somebody was erased before this migration, all that was told is looked at once.
INSERT INTO erasure_marks (one, seals_to, to_rewrite)
SELECT 1, coalesce(max(id), 0), 0 FROM (
  SELECT id FROM seals UNION ALL SELECT id FROM committed_seals)
WHERE NOT EXISTS (SELECT 1 FROM erasures WHERE done_at IS NOT NULL);

CREATE TRIGGER erasure_marks_only_advance
BEFORE UPDATE ON erasure_marks
WHEN NEW.one <> OLD.one OR NEW.seals_to < OLD.seals_to
BEGIN
  SELECT RAISE(ABORT, 'a look at late seals goes on from the last one');
END;

CREATE TRIGGER erasure_marks_are_never_deleted
BEFORE DELETE ON erasure_marks
BEGIN
  SELECT RAISE(ABORT, 'how far late seals were looked at stays known');
END;
