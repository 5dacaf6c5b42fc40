-- Committed registers: what is kept of days nobody can read. A register is open (mode 0) or
-- committed (mode 1) for good; a committed one has the bits of its range proofs, and starts
-- at 0, for what it shows is told to nobody.

ALTER TABLE registers ADD COLUMN mode INTEGER NOT NULL DEFAULT 0 CHECK (mode IN (0, 1));

ALTER TABLE registers ADD COLUMN bits INTEGER NOT NULL DEFAULT 0
  CHECK (bits IN (0, 16, 32) AND (bits = 0) = (mode = 0) AND (mode = 0 OR initial_value = 0)
);

-- A day that was accepted. Its row has the number of its log entry; hash is the header hash,
-- revision that of all its records. The rest of the header is the register's and mode 1.
CREATE TABLE committed_seals (
  id INTEGER PRIMARY KEY CHECK (id = log_entry_id),
  register_id INTEGER NOT NULL REFERENCES registers (id),
  seq INTEGER NOT NULL CHECK (seq > 0),
  hash BLOB NOT NULL UNIQUE CHECK (length(hash) = 32),
  first INTEGER NOT NULL CHECK (first >= 0),
  step INTEGER NOT NULL CHECK (step > 0),
  count INTEGER NOT NULL CHECK (count BETWEEN 1 AND 100),
  revision INTEGER NOT NULL CHECK (revision BETWEEN 0 AND 65535),
  bits INTEGER NOT NULL CHECK (bits IN (16, 32)),
  signature BLOB NOT NULL CHECK (length(signature) = 64),
  prev BLOB NOT NULL CHECK (length(prev) = 32),
  root BLOB NOT NULL CHECK (length(root) = 32),
  sum BLOB NOT NULL CHECK (length(sum) = 33),
  received_at INTEGER NOT NULL,
  log_entry_id INTEGER NOT NULL REFERENCES log_entries (id),
  UNIQUE (seq, register_id),
  UNIQUE (first, register_id, revision)
) STRICT;

CREATE TRIGGER committed_seals_are_never_changed
BEFORE UPDATE ON committed_seals
BEGIN
  SELECT RAISE(ABORT, 'a committed seal is never changed');
END;

CREATE TRIGGER committed_seals_are_never_deleted
BEFORE DELETE ON committed_seals
BEGIN
  SELECT RAISE(ABORT, 'a committed seal is never deleted');
END;

-- A day's records, one after the other: 33 bytes of each commitment, one of each quality.
CREATE TABLE commitments (
  seal_id INTEGER PRIMARY KEY REFERENCES committed_seals (id),
  points BLOB NOT NULL CHECK (length(points) BETWEEN 33 AND 3300 AND length(points) % 33 = 0),
  qualities BLOB NOT NULL CHECK (length(qualities) = length(points) / 33)
) STRICT;

CREATE TRIGGER commitments_are_never_changed
BEFORE UPDATE ON commitments
BEGIN
  SELECT RAISE(ABORT, 'a commitment is never changed');
END;

-- state: pending until the proof was checked, then verified or failed for good. envelope is
-- the seal key's signature over proof, backup and masked opening. told_at is when the agent
-- was last told that its proof failed.
CREATE TABLE range_proofs (
  seal_id INTEGER PRIMARY KEY REFERENCES committed_seals (id),
  proof BLOB NOT NULL,
  envelope BLOB NOT NULL CHECK (length(envelope) = 64),
  state TEXT NOT NULL CHECK (state IN ('pending', 'verified', 'failed')),
  checked_at INTEGER,
  told_at INTEGER,
  CHECK ((state = 'pending') = (checked_at IS NULL)),
  CHECK (told_at IS NULL OR state = 'failed')
) STRICT;

CREATE INDEX range_proofs_pending ON range_proofs (seal_id) WHERE state = 'pending';
CREATE INDEX range_proofs_failed ON range_proofs (seal_id) WHERE state = 'failed';

CREATE TRIGGER range_proofs_are_judged_once
BEFORE UPDATE ON range_proofs
WHEN NEW.seal_id <> OLD.seal_id OR NEW.proof <> OLD.proof OR NEW.envelope <> OLD.envelope
  OR (OLD.state <> 'pending' AND (NEW.state <> OLD.state OR NEW.checked_at <> OLD.checked_at))
BEGIN
  SELECT RAISE(ABORT, 'a range proof is judged once');
END;

CREATE TRIGGER range_proofs_are_never_deleted
BEFORE DELETE ON range_proofs
BEGIN
  SELECT RAISE(ABORT, 'a range proof is never deleted');
END;

-- What only the device opens, for the day its Pi is dead.
CREATE TABLE backups (
  seal_id INTEGER PRIMARY KEY REFERENCES committed_seals (id),
  backup BLOB NOT NULL
) STRICT;

-- The opening of a day's sum under masks that two of three trustees take off a whole cell.
CREATE TABLE masked_openings (
  seal_id INTEGER PRIMARY KEY REFERENCES committed_seals (id),
  value BLOB NOT NULL CHECK (length(value) = 32),
  blinding BLOB NOT NULL CHECK (length(blinding) = 32)
) STRICT;

-- Tariffs as published: the hash names the document in bills and in the log (entry type 2).
CREATE TABLE tariffs (
  hash BLOB PRIMARY KEY CHECK (length(hash) = 32),
  document BLOB NOT NULL CHECK (length(document) BETWEEN 2 AND 16384),
  logged_at INTEGER NOT NULL,
  log_entry_id INTEGER NOT NULL UNIQUE REFERENCES log_entries (id)
) STRICT, WITHOUT ROWID;

CREATE TRIGGER tariffs_are_never_changed
BEFORE UPDATE ON tariffs
BEGIN
  SELECT RAISE(ABORT, 'a tariff is never changed, it is followed by another');
END;

CREATE TRIGGER tariffs_are_never_deleted
BEFORE DELETE ON tariffs
BEGIN
  SELECT RAISE(ABORT, 'a tariff is never deleted');
END;

-- A private bill that was checked: the device's opening of one amount over [from_at, to_at).
-- amount is a decimal number, for it has up to 84 bits; headers are the hashes of the days it
-- covers, 32 bytes each; digest is the statement's, previous that of the opening before.
CREATE TABLE private_bills (
  id INTEGER PRIMARY KEY CHECK (id = log_entry_id),
  register_id INTEGER NOT NULL REFERENCES registers (id),
  from_at INTEGER NOT NULL,
  to_at INTEGER NOT NULL,
  tariff BLOB NOT NULL REFERENCES tariffs (hash),
  amount TEXT NOT NULL CHECK (length(amount) BETWEEN 1 AND 26 AND amount NOT GLOB '*[^0-9]*'),
  revision INTEGER NOT NULL CHECK (revision >= 0),
  headers BLOB NOT NULL CHECK (length(headers) >= 32 AND length(headers) % 32 = 0),
  previous BLOB NOT NULL CHECK (length(previous) = 32),
  digest BLOB NOT NULL UNIQUE CHECK (length(digest) = 32),
  proof BLOB NOT NULL CHECK (length(proof) IN (0, 64)),
  consent BLOB NOT NULL CHECK (length(consent) = 64),
  received_at INTEGER NOT NULL,
  log_entry_id INTEGER NOT NULL REFERENCES log_entries (id),
  UNIQUE (register_id, previous),
  UNIQUE (register_id, from_at, revision),
  CHECK (from_at < to_at)
) STRICT;

CREATE TRIGGER private_bills_are_never_changed
BEFORE UPDATE ON private_bills
BEGIN
  SELECT RAISE(ABORT, 'a private bill is never changed, it is followed by another');
END;

CREATE TRIGGER private_bills_are_never_deleted
BEFORE DELETE ON private_bills
BEGIN
  SELECT RAISE(ABORT, 'a private bill is never deleted');
END;
