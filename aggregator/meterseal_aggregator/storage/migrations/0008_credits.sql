-- Credits: what each slot was credited with, what was not and why, and what was retired.
-- All append-only; minted_through only goes forward.

CREATE TABLE credits (
  id INTEGER PRIMARY KEY,
  mint_id BLOB NOT NULL CHECK (length(mint_id) = 32),
  revision INTEGER NOT NULL CHECK (revision BETWEEN 0 AND 65535),
  register_id INTEGER NOT NULL REFERENCES registers (id),
  meter_point_id INTEGER NOT NULL REFERENCES meter_points (id),
  start INTEGER NOT NULL,
  length INTEGER NOT NULL CHECK (length > 0),
  member_id INTEGER NOT NULL REFERENCES members (id),
  value_wh INTEGER NOT NULL CHECK (value_wh >= 0),
  posted_wh INTEGER NOT NULL,
  decided_at INTEGER NOT NULL,
  UNIQUE (mint_id, revision),
  UNIQUE (register_id, start, revision),
  CHECK (revision > 0 OR (posted_wh = value_wh AND posted_wh > 0))
) STRICT;

-- The id is of the meter point: a slot is one meter's there, in every revision.
CREATE TRIGGER credits_of_a_slot_are_one_meters
BEFORE INSERT ON credits
WHEN EXISTS (
  SELECT 1 FROM credits
  WHERE mint_id = NEW.mint_id AND register_id <> NEW.register_id)
BEGIN
  SELECT RAISE(ABORT, 'another meter of this meter point has minted this slot');
END;

-- Order of commit decides, no clock: an equivocation committed before forbids the credit,
-- one that comes after leaves it to a dispute. So there is nothing to audit by times.
CREATE TRIGGER credits_are_not_of_time_told_twice
BEFORE INSERT ON credits
WHEN EXISTS (
  SELECT 1 FROM equivocations WHERE register_id = NEW.register_id
  AND from_at < NEW.start + NEW.length AND to_at > NEW.start)
BEGIN
  SELECT RAISE(ABORT, 'the device told this time twice before it was final');
END;

CREATE TRIGGER credits_are_never_changed
BEFORE UPDATE ON credits
BEGIN
  SELECT RAISE(ABORT, 'a credit is never changed; a revision posts the difference');
END;

CREATE TRIGGER credits_are_never_deleted
BEFORE DELETE ON credits
BEGIN
  SELECT RAISE(ABORT, 'a credit is never deleted');
END;

CREATE TABLE credit_refusals (
  register_id INTEGER NOT NULL REFERENCES registers (id),
  start INTEGER NOT NULL,
  revision INTEGER NOT NULL CHECK (revision >= 0),
  wh INTEGER NOT NULL CHECK (wh >= 0),
  cause TEXT NOT NULL CHECK (length(cause) BETWEEN 1 AND 32),
  decided_at INTEGER NOT NULL,
  PRIMARY KEY (register_id, start, revision)
) STRICT, WITHOUT ROWID;

CREATE TRIGGER credit_refusals_are_never_changed
BEFORE UPDATE ON credit_refusals
BEGIN
  SELECT RAISE(ABORT, 'a refusal is never changed');
END;

CREATE TRIGGER credit_refusals_are_never_deleted
BEFORE DELETE ON credit_refusals
BEGIN
  SELECT RAISE(ABORT, 'a refusal is never deleted');
END;

CREATE TABLE credit_marks (
  register_id INTEGER PRIMARY KEY REFERENCES registers (id),
  minted_through INTEGER NOT NULL
) STRICT;

CREATE TRIGGER credit_marks_only_go_forward
BEFORE UPDATE ON credit_marks
WHEN NEW.register_id <> OLD.register_id OR NEW.minted_through < OLD.minted_through
BEGIN
  SELECT RAISE(ABORT, 'minted_through only goes forward');
END;

CREATE TRIGGER credit_marks_are_never_deleted
BEFORE DELETE ON credit_marks
BEGIN
  SELECT RAISE(ABORT, 'minted_through is never deleted');
END;

CREATE TABLE retirements (
  transfer_id BLOB PRIMARY KEY REFERENCES ledger_transfers (id),
  holder TEXT NOT NULL,
  beneficiary TEXT NOT NULL CHECK (length(beneficiary) BETWEEN 1 AND 64),
  start INTEGER NOT NULL CHECK (start >= 0),
  length INTEGER NOT NULL CHECK (length > 0),
  wh INTEGER NOT NULL CHECK (wh > 0),
  retired_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX retirements_by_beneficiary ON retirements (beneficiary, start);

CREATE TRIGGER retirements_are_never_changed
BEFORE UPDATE ON retirements
BEGIN
  SELECT RAISE(ABORT, 'a retirement is never changed');
END;

CREATE TRIGGER retirements_are_never_deleted
BEFORE DELETE ON retirements
BEGIN
  SELECT RAISE(ABORT, 'a retirement is never deleted');
END;
