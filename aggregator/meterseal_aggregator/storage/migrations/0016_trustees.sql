-- What goes to the three trustees and what they said: seeds of meters in boxes nobody here
-- opens, rosters, sets and answers. An answer is kept before the next step is taken, so a
-- power cut costs a question, never an answer.

-- The three trustees for good: devices and rosters name them by these keys.
CREATE TABLE trustees (
  number INTEGER PRIMARY KEY CHECK (number BETWEEN 0 AND 2),
  network BLOB NOT NULL CHECK (length(network) = 32),
  box BLOB NOT NULL UNIQUE CHECK (length(box) = 32),
  sign BLOB NOT NULL UNIQUE CHECK (length(sign) = 32)
) STRICT;

CREATE TRIGGER trustees_are_never_changed
BEFORE UPDATE ON trustees
BEGIN
  SELECT RAISE(ABORT, 'a trustee keeps its keys');
END;

CREATE TRIGGER trustees_are_never_deleted
BEFORE DELETE ON trustees
BEGIN
  SELECT RAISE(ABORT, 'a trustee keeps its keys');
END;

-- A trustee that did not answer when it was last asked: since when, and what came instead.
CREATE TABLE silent_trustees (
  trustee INTEGER PRIMARY KEY REFERENCES trustees (number),
  since INTEGER NOT NULL,
  why TEXT NOT NULL
) STRICT;

-- A meter's deposits under one key: two boxes of 80 bytes and a signature for each trustee.
CREATE TABLE seed_deposits (
  id INTEGER PRIMARY KEY CHECK (id > 0),
  meter_id INTEGER NOT NULL REFERENCES meters (id),
  key_id INTEGER NOT NULL REFERENCES meter_keys (id),
  boxes BLOB NOT NULL CHECK (length(boxes) = 480),
  signatures BLOB NOT NULL CHECK (length(signatures) = 192),
  taken_at INTEGER NOT NULL,
  UNIQUE (meter_id, key_id)
) STRICT;

CREATE TRIGGER seed_deposits_are_never_changed
BEFORE UPDATE ON seed_deposits
BEGIN
  SELECT RAISE(ABORT, 'a meter''s first seeds stand');
END;

CREATE TRIGGER seed_deposits_are_never_deleted
BEFORE DELETE ON seed_deposits
BEGIN
  SELECT RAISE(ABORT, 'a meter''s first seeds stand');
END;

-- A cell's roster as it was proposed; its members are the cell's, by their first deposits.
CREATE TABLE rosters (
  id INTEGER PRIMARY KEY CHECK (id > 0),
  cell TEXT NOT NULL,
  quarter INTEGER NOT NULL,
  register INTEGER NOT NULL,
  hash BLOB NOT NULL UNIQUE CHECK (length(hash) = 32),
  proposed_at INTEGER NOT NULL,
  UNIQUE (cell, quarter)
) STRICT;

CREATE TRIGGER rosters_are_never_changed
BEFORE UPDATE ON rosters
BEGIN
  SELECT RAISE(ABORT, 'a roster is proposed once');
END;

CREATE TRIGGER rosters_are_never_deleted
BEFORE DELETE ON rosters
BEGIN
  SELECT RAISE(ABORT, 'a roster is proposed once');
END;

-- What a trustee said to an act (1 deposit, 2 roster, 3 set, 4 masks, 5 blame) of a subject
-- (a row of seed_deposits, rosters or reporting_sets): its signature, with what it signed
-- where that is not known here; or its refusal in its own words, until it says otherwise.
CREATE TABLE trustee_answers (
  act INTEGER NOT NULL CHECK (act BETWEEN 1 AND 5),
  subject INTEGER NOT NULL,
  trustee INTEGER NOT NULL REFERENCES trustees (number),
  signature BLOB CHECK (length(signature) = 64),
  content BLOB,
  why TEXT,
  detail TEXT,
  said_at INTEGER NOT NULL,
  PRIMARY KEY (act, subject, trustee),
  CHECK ((signature IS NULL) = (why IS NOT NULL)),
  CHECK ((why IS NULL) = (detail IS NULL))
) STRICT, WITHOUT ROWID;

CREATE TRIGGER trustee_answers_stand_once_signed
BEFORE UPDATE ON trustee_answers
WHEN OLD.signature IS NOT NULL
BEGIN
  SELECT RAISE(ABORT, 'what a trustee signed stands');
END;

CREATE TRIGGER trustee_answers_are_never_deleted
BEFORE DELETE ON trustee_answers
BEGIN
  SELECT RAISE(ABORT, 'what a trustee said is never deleted');
END;

-- A set that will have no total, and why; the days whose meters are to blame for it.
CREATE TABLE closed_sets (
  set_id INTEGER PRIMARY KEY REFERENCES reporting_sets (id),
  why TEXT NOT NULL,
  closed_at INTEGER NOT NULL
) STRICT;

CREATE TABLE blamed_days (
  seal_id INTEGER PRIMARY KEY REFERENCES set_members (seal_id),
  set_id INTEGER NOT NULL REFERENCES closed_sets (set_id)
) STRICT;

CREATE INDEX blamed_days_by_set ON blamed_days (set_id);

-- Days that were receipted before their cell's set was fixed, and are not in it: an alarm.
CREATE TABLE absent_days (
  seal_id INTEGER PRIMARY KEY REFERENCES committed_seals (id),
  set_id INTEGER NOT NULL REFERENCES reporting_sets (id),
  why TEXT NOT NULL
) STRICT;

CREATE INDEX absent_days_by_set ON absent_days (set_id);
