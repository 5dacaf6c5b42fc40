-- What a trustee keeps for ever. Seeds stay in the boxes they came in: who has this file
-- and not the key beside it knows none.

CREATE TABLE settled (
  id INTEGER PRIMARY KEY CHECK (id = 1),
  network BLOB NOT NULL CHECK (length(network) = 32),
  number INTEGER NOT NULL CHECK (number BETWEEN 0 AND 2),
  chain_id INTEGER NOT NULL
) STRICT;

CREATE TABLE deposits (
  meter BLOB PRIMARY KEY CHECK (length(meter) = 16),
  algorithm TEXT NOT NULL CHECK (algorithm IN ('secp256k1', 'p256')),
  key BLOB NOT NULL CHECK (length(key) = 33),
  first_box BLOB NOT NULL CHECK (length(first_box) = 80),
  second_box BLOB NOT NULL CHECK (length(second_box) = 80),
  signature BLOB NOT NULL CHECK (length(signature) = 64)
) STRICT;

CREATE TABLE proposals (
  hash BLOB PRIMARY KEY CHECK (length(hash) = 32),
  cell TEXT NOT NULL CHECK (length(cell) BETWEEN 1 AND 64),
  quarter INTEGER NOT NULL CHECK (quarter > 0),
  register INTEGER NOT NULL CHECK (register >= 0)
) STRICT;

CREATE TABLE proposed_members (
  hash BLOB NOT NULL REFERENCES proposals (hash),
  meter BLOB NOT NULL REFERENCES deposits (meter),
  PRIMARY KEY (hash, meter)
) STRICT;

-- Countersigned: one roster a cell and quarter, one cell a meter and quarter.
CREATE TABLE rosters (
  cell TEXT NOT NULL,
  quarter INTEGER NOT NULL,
  hash BLOB NOT NULL UNIQUE REFERENCES proposals (hash),
  signature BLOB NOT NULL CHECK (length(signature) = 64),
  PRIMARY KEY (cell, quarter)
) STRICT;

CREATE TABLE members (
  quarter INTEGER NOT NULL,
  meter BLOB NOT NULL REFERENCES deposits (meter),
  cell TEXT NOT NULL,
  PRIMARY KEY (quarter, meter),
  FOREIGN KEY (cell, quarter) REFERENCES rosters (cell, quarter)
) STRICT;

-- One set a cell and day; a meter in one set a day; a mask's place in one set ever.
CREATE TABLE sets (
  cell TEXT NOT NULL,
  day INTEGER NOT NULL CHECK (day >= 0),
  statement BLOB NOT NULL UNIQUE CHECK (length(statement) = 32),
  signature BLOB NOT NULL CHECK (length(signature) = 64),
  PRIMARY KEY (cell, day)
) STRICT;

CREATE TABLE reported (
  day INTEGER NOT NULL,
  meter BLOB NOT NULL REFERENCES deposits (meter),
  cell TEXT NOT NULL,
  place BLOB NOT NULL UNIQUE CHECK (length(place) = 32),
  header BLOB NOT NULL,
  revision INTEGER NOT NULL CHECK (revision BETWEEN 0 AND 65535),
  PRIMARY KEY (day, meter),
  FOREIGN KEY (cell, day) REFERENCES sets (cell, day)
) STRICT;

CREATE TABLE answers (
  cell TEXT NOT NULL,
  day INTEGER NOT NULL,
  first_value BLOB NOT NULL CHECK (length(first_value) = 32),
  first_blinding BLOB NOT NULL CHECK (length(first_blinding) = 32),
  second_value BLOB NOT NULL CHECK (length(second_value) = 32),
  second_blinding BLOB NOT NULL CHECK (length(second_blinding) = 32),
  first_witness BLOB NOT NULL CHECK (length(first_witness) = 64),
  second_witness BLOB NOT NULL CHECK (length(second_witness) = 64),
  third_witness BLOB NOT NULL CHECK (length(third_witness) = 64),
  signature BLOB NOT NULL CHECK (length(signature) = 64),
  PRIMARY KEY (cell, day),
  FOREIGN KEY (cell, day) REFERENCES sets (cell, day)
) STRICT;

-- Meters whose masks' commitments were shown because a total was wrong.
CREATE TABLE blamed (
  day INTEGER NOT NULL,
  meter BLOB NOT NULL,
  cell TEXT NOT NULL,
  PRIMARY KEY (day, meter),
  FOREIGN KEY (day, meter) REFERENCES reported (day, meter),
  FOREIGN KEY (cell, day) REFERENCES answers (cell, day)
) STRICT;

CREATE TABLE log (
  seq INTEGER PRIMARY KEY CHECK (seq > 0),
  at INTEGER NOT NULL,
  act TEXT NOT NULL,
  body TEXT NOT NULL,
  hash BLOB NOT NULL CHECK (length(hash) = 32)
) STRICT;

CREATE TRIGGER settled_no_update
BEFORE UPDATE ON settled
BEGIN
  SELECT RAISE(ABORT, 'a trustee keeps what it said: settled only grows');
END;

CREATE TRIGGER settled_no_delete
BEFORE DELETE ON settled
BEGIN
  SELECT RAISE(ABORT, 'a trustee keeps what it said: settled only grows');
END;

CREATE TRIGGER deposits_no_update
BEFORE UPDATE ON deposits
BEGIN
  SELECT RAISE(ABORT, 'a trustee keeps what it said: deposits only grows');
END;

CREATE TRIGGER deposits_no_delete
BEFORE DELETE ON deposits
BEGIN
  SELECT RAISE(ABORT, 'a trustee keeps what it said: deposits only grows');
END;

CREATE TRIGGER proposals_no_update
BEFORE UPDATE ON proposals
BEGIN
  SELECT RAISE(ABORT, 'a trustee keeps what it said: proposals only grows');
END;

CREATE TRIGGER proposals_no_delete
BEFORE DELETE ON proposals
BEGIN
  SELECT RAISE(ABORT, 'a trustee keeps what it said: proposals only grows');
END;

CREATE TRIGGER proposed_members_no_update
BEFORE UPDATE ON proposed_members
BEGIN
  SELECT RAISE(ABORT, 'a trustee keeps what it said: proposed_members only grows');
END;

CREATE TRIGGER proposed_members_no_delete
BEFORE DELETE ON proposed_members
BEGIN
  SELECT RAISE(ABORT, 'a trustee keeps what it said: proposed_members only grows');
END;

CREATE TRIGGER rosters_no_update
BEFORE UPDATE ON rosters
BEGIN
  SELECT RAISE(ABORT, 'a trustee keeps what it said: rosters only grows');
END;

CREATE TRIGGER rosters_no_delete
BEFORE DELETE ON rosters
BEGIN
  SELECT RAISE(ABORT, 'a trustee keeps what it said: rosters only grows');
END;

CREATE TRIGGER members_no_update
BEFORE UPDATE ON members
BEGIN
  SELECT RAISE(ABORT, 'a trustee keeps what it said: members only grows');
END;

CREATE TRIGGER members_no_delete
BEFORE DELETE ON members
BEGIN
  SELECT RAISE(ABORT, 'a trustee keeps what it said: members only grows');
END;

CREATE TRIGGER sets_no_update
BEFORE UPDATE ON sets
BEGIN
  SELECT RAISE(ABORT, 'a trustee keeps what it said: sets only grows');
END;

CREATE TRIGGER sets_no_delete
BEFORE DELETE ON sets
BEGIN
  SELECT RAISE(ABORT, 'a trustee keeps what it said: sets only grows');
END;

CREATE TRIGGER reported_no_update
BEFORE UPDATE ON reported
BEGIN
  SELECT RAISE(ABORT, 'a trustee keeps what it said: reported only grows');
END;

CREATE TRIGGER reported_no_delete
BEFORE DELETE ON reported
BEGIN
  SELECT RAISE(ABORT, 'a trustee keeps what it said: reported only grows');
END;

CREATE TRIGGER answers_no_update
BEFORE UPDATE ON answers
BEGIN
  SELECT RAISE(ABORT, 'a trustee keeps what it said: answers only grows');
END;

CREATE TRIGGER answers_no_delete
BEFORE DELETE ON answers
BEGIN
  SELECT RAISE(ABORT, 'a trustee keeps what it said: answers only grows');
END;

CREATE TRIGGER log_no_update
BEFORE UPDATE ON log
BEGIN
  SELECT RAISE(ABORT, 'a trustee keeps what it said: log only grows');
END;

CREATE TRIGGER log_no_delete
BEFORE DELETE ON log
BEGIN
  SELECT RAISE(ABORT, 'a trustee keeps what it said: log only grows');
END;

CREATE TRIGGER blamed_no_update
BEFORE UPDATE ON blamed
BEGIN
  SELECT RAISE(ABORT, 'a trustee keeps what it said: blamed only grows');
END;

CREATE TRIGGER blamed_no_delete
BEFORE DELETE ON blamed
BEGIN
  SELECT RAISE(ABORT, 'a trustee keeps what it said: blamed only grows');
END;
