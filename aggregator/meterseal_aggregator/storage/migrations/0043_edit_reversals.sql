-- What operators' edits take back of credits, and give back again: an edit never mints.

-- posted_wh is below 0 where credits were taken back, above 0 where some of that was given
-- back. By an edit (value_id) and the revision the device had sealed then: only a later one
-- of either can post again.
CREATE TABLE edit_reversals (
  register_id INTEGER NOT NULL REFERENCES registers (id),
  start INTEGER NOT NULL,
  value_id INTEGER NOT NULL REFERENCES vee_edits (value_id),
  revision INTEGER NOT NULL CHECK (revision BETWEEN 0 AND 65535),
  mint_id BLOB NOT NULL CHECK (length(mint_id) = 32),
  posted_wh INTEGER NOT NULL CHECK (posted_wh <> 0),
  decided_at INTEGER NOT NULL,
  PRIMARY KEY (register_id, start, value_id, revision)
) STRICT, WITHOUT ROWID;

CREATE INDEX edit_reversals_by_mint ON edit_reversals (mint_id);

CREATE TRIGGER edit_reversals_are_of_a_credit
BEFORE INSERT ON edit_reversals
WHEN NOT EXISTS (
  SELECT 1 FROM credits WHERE mint_id = NEW.mint_id AND revision = NEW.revision
  AND register_id = NEW.register_id AND start = NEW.start)
BEGIN
  SELECT RAISE(ABORT, 'an edit can take back only what was credited');
END;

CREATE TRIGGER edit_reversals_never_mint
BEFORE INSERT ON edit_reversals
WHEN NEW.posted_wh > 0 AND NEW.posted_wh + (
  SELECT coalesce(sum(posted_wh), 0) FROM edit_reversals
  WHERE register_id = NEW.register_id AND start = NEW.start) > 0
BEGIN
  SELECT RAISE(ABORT, 'an edit gives back at most what edits took');
END;

CREATE TRIGGER edit_reversals_are_never_changed
BEFORE UPDATE ON edit_reversals
BEGIN
  SELECT RAISE(ABORT, 'what an edit took back is never changed; a later one posts the difference');
END;

CREATE TRIGGER edit_reversals_are_never_deleted
BEFORE DELETE ON edit_reversals
BEGIN
  SELECT RAISE(ABORT, 'what an edit took back is never deleted');
END;

-- How far edits were followed: all of those up to value_id, and of the next one the slots
-- that start before `through`.
CREATE TABLE edits_followed (
  id INTEGER PRIMARY KEY CHECK (id = 1),
  value_id INTEGER NOT NULL,
  through INTEGER NOT NULL
) STRICT;

INSERT INTO edits_followed (id, value_id, through) VALUES (1, 0, 0);

CREATE TRIGGER edits_followed_only_go_forward
BEFORE UPDATE ON edits_followed
WHEN NEW.value_id < OLD.value_id
  OR (NEW.value_id = OLD.value_id AND NEW.through < OLD.through)
BEGIN
  SELECT RAISE(ABORT, 'edits are followed in their order');
END;

-- Every mint asks whether somebody edited its slots: there are few edits among many values.
CREATE INDEX vee_values_of_edits ON vee_values (register_id, start) WHERE source = 'edit';
