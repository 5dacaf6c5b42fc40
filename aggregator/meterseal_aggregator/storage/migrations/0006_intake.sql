-- Intake: where each register's chain of seals stands, the seals, their readings and salts,
-- and the evidence of what was not accepted. Keys that grow with time begin with time (or
-- seq, which grows like it): inserts then fall on the same few pages of an index, whatever
-- the number of meters. The other order writes a page a reading once history is long.

CREATE TABLE heads (
  register_id INTEGER PRIMARY KEY REFERENCES registers (id),
  seq INTEGER NOT NULL CHECK (seq > 0),
  hash BLOB NOT NULL CHECK (length(hash) = 32),
  end_at INTEGER NOT NULL CHECK (end_at >= 0),
  value INTEGER NOT NULL CHECK (value >= 0)
) STRICT;

CREATE TRIGGER heads_only_go_forward
BEFORE UPDATE ON heads
WHEN NEW.register_id <> OLD.register_id OR NEW.seq <= OLD.seq OR NEW.end_at < OLD.end_at
BEGIN
  SELECT RAISE(ABORT, 'the head of a chain only goes forward');
END;

CREATE TRIGGER heads_are_never_deleted
BEFORE DELETE ON heads
BEGIN
  SELECT RAISE(ABORT, 'the head of a chain is never deleted');
END;

-- A seal that was accepted. Its row has the number of its log entry, so one leaf each needs
-- no index. hash is the header hash; count records of step seconds from first on. The rest
-- of the header is the register's, and network, mode 0, bits 0, sum 0.
CREATE TABLE seals (
  id INTEGER PRIMARY KEY CHECK (id = log_entry_id),
  register_id INTEGER NOT NULL REFERENCES registers (id),
  seq INTEGER NOT NULL CHECK (seq > 0),
  hash BLOB NOT NULL CHECK (length(hash) = 32),
  first INTEGER NOT NULL CHECK (first >= 0),
  step INTEGER NOT NULL CHECK (step > 0),
  count INTEGER NOT NULL CHECK (count BETWEEN 1 AND 100),
  signature BLOB NOT NULL CHECK (length(signature) = 64),
  prev BLOB NOT NULL CHECK (length(prev) = 32),
  root BLOB NOT NULL CHECK (length(root) = 32),
  received_at INTEGER NOT NULL,
  log_entry_id INTEGER NOT NULL REFERENCES log_entries (id),
  UNIQUE (seq, register_id)
) STRICT;

CREATE TRIGGER seals_are_never_changed
BEFORE UPDATE ON seals
BEGIN
  SELECT RAISE(ABORT, 'a seal is never changed');
END;

CREATE TRIGGER seals_are_never_deleted
BEFORE DELETE ON seals
BEGIN
  SELECT RAISE(ABORT, 'a seal is never deleted');
END;

-- One interval of a register: delta is its energy in Wh (volume in litres), value the
-- register at its end.
CREATE TABLE readings (
  register_id INTEGER NOT NULL REFERENCES registers (id),
  start INTEGER NOT NULL CHECK (start >= 0),
  length INTEGER NOT NULL CHECK (length > 0),
  revision INTEGER NOT NULL CHECK (revision >= 0),
  delta INTEGER NOT NULL CHECK (delta >= 0),
  value INTEGER NOT NULL CHECK (value >= 0),
  quality INTEGER NOT NULL CHECK (quality BETWEEN 0 AND 255),
  seal_id INTEGER NOT NULL REFERENCES seals (id),
  PRIMARY KEY (start, register_id, revision)
) STRICT, WITHOUT ROWID;

CREATE TRIGGER readings_are_never_changed
BEFORE UPDATE ON readings
BEGIN
  SELECT RAISE(ABORT, 'a reading is never changed');
END;

CREATE TRIGGER readings_are_never_deleted
BEFORE DELETE ON readings
BEGIN
  SELECT RAISE(ABORT, 'a reading is never deleted');
END;

-- Erasing a person's data deletes these rows: the public roots then say nothing any more.
CREATE TABLE salts (
  register_id INTEGER NOT NULL REFERENCES registers (id),
  start INTEGER NOT NULL,
  revision INTEGER NOT NULL,
  salt BLOB NOT NULL CHECK (length(salt) = 16),
  PRIMARY KEY (start, register_id, revision)
) STRICT, WITHOUT ROWID;

CREATE TRIGGER salts_are_never_changed
BEFORE UPDATE ON salts
BEGIN
  SELECT RAISE(ABORT, 'a salt is never changed');
END;

-- Evidence of what was not accepted. chained: validly signed, so its header is a link of
-- the register's chain; then hash is the header hash. Otherwise hash is the header hash
-- (EQUIVOCATION) or SHA-256 of the payload as it came, whose beginning is kept. Beyond a
-- day's limit a link's payload is its header and signature, as a log entry has them.
CREATE TABLE quarantine (
  id INTEGER PRIMARY KEY,
  register_id INTEGER REFERENCES registers (id),
  agent TEXT NOT NULL,
  seq INTEGER,
  chained INTEGER NOT NULL CHECK (chained IN (0, 1)),
  reason INTEGER NOT NULL,
  detail TEXT NOT NULL,
  payload BLOB NOT NULL,
  hash BLOB NOT NULL CHECK (length(hash) = 32),
  received_at INTEGER NOT NULL,
  UNIQUE (hash, reason),
  CHECK (chained = 0 OR (register_id IS NOT NULL AND seq IS NOT NULL))
) STRICT;

CREATE UNIQUE INDEX quarantine_links ON quarantine (register_id, seq) WHERE chained = 1;

CREATE INDEX quarantine_contradictions ON quarantine (register_id, seq) WHERE reason = 11;

CREATE TRIGGER quarantine_is_never_changed
BEFORE UPDATE ON quarantine
BEGIN
  SELECT RAISE(ABORT, 'evidence is never changed');
END;

CREATE TRIGGER quarantine_links_are_never_deleted
BEFORE DELETE ON quarantine
WHEN OLD.chained = 1
BEGIN
  SELECT RAISE(ABORT, 'a link of a chain is never deleted');
END;

-- How often each agent was refused a day, and how much of it was kept as evidence.
CREATE TABLE refusals (
  day INTEGER NOT NULL,
  agent TEXT NOT NULL,
  reason INTEGER NOT NULL,
  seen INTEGER NOT NULL CHECK (seen > 0),
  kept INTEGER NOT NULL CHECK (kept BETWEEN 0 AND seen),
  kept_bytes INTEGER NOT NULL CHECK (kept_bytes >= 0),
  PRIMARY KEY (day, agent, reason)
) STRICT, WITHOUT ROWID;

-- A backward register: from from_at to at, no energy counts and the register goes on from
-- to_value, by the quarantined seal seq.
CREATE TABLE register_steps (
  register_id INTEGER NOT NULL REFERENCES registers (id),
  at INTEGER NOT NULL,
  from_at INTEGER NOT NULL,
  from_value INTEGER NOT NULL CHECK (from_value >= 0),
  to_value INTEGER NOT NULL CHECK (to_value >= 0),
  seq INTEGER NOT NULL,
  cause INTEGER NOT NULL,
  PRIMARY KEY (register_id, at),
  CHECK (from_at < at)
) STRICT, WITHOUT ROWID;

CREATE TRIGGER register_steps_are_never_changed
BEFORE UPDATE ON register_steps
BEGIN
  SELECT RAISE(ABORT, 'a register step is never changed');
END;

CREATE TRIGGER register_steps_are_never_deleted
BEFORE DELETE ON register_steps
BEGIN
  SELECT RAISE(ABORT, 'a register step is never deleted');
END;

-- Time that a device told twice; hash and seq of the second telling. A slot that overlaps
-- [from_at, to_at) does not mint unless it was final before received_at.
CREATE TABLE equivocations (
  register_id INTEGER NOT NULL REFERENCES registers (id),
  hash BLOB NOT NULL CHECK (length(hash) = 32),
  from_at INTEGER NOT NULL,
  to_at INTEGER NOT NULL,
  seq INTEGER NOT NULL,
  received_at INTEGER NOT NULL,
  PRIMARY KEY (register_id, from_at, to_at),
  CHECK (from_at < to_at)
) STRICT, WITHOUT ROWID;

CREATE TRIGGER equivocations_are_never_changed
BEFORE UPDATE ON equivocations
BEGIN
  SELECT RAISE(ABORT, 'an equivocation is never changed');
END;

CREATE TRIGGER equivocations_are_never_deleted
BEFORE DELETE ON equivocations
BEGIN
  SELECT RAISE(ABORT, 'an equivocation is never deleted');
END;

-- Counts the changes of all that claims are made of, so that intake knows in one look
-- whether what it remembers of the registry still holds.
CREATE TABLE claims_version (
  id INTEGER PRIMARY KEY CHECK (id = 1),
  version INTEGER NOT NULL
) STRICT;

INSERT INTO claims_version (id, version) VALUES (1, 0);

CREATE TRIGGER claims_see_new_meters
AFTER INSERT ON meters
BEGIN
  UPDATE claims_version SET version = version + 1;
END;

CREATE TRIGGER claims_see_changed_meters
AFTER UPDATE ON meters
BEGIN
  UPDATE claims_version SET version = version + 1;
END;

CREATE TRIGGER claims_see_new_registers
AFTER INSERT ON registers
BEGIN
  UPDATE claims_version SET version = version + 1;
END;

CREATE TRIGGER claims_see_changed_registers
AFTER UPDATE ON registers
BEGIN
  UPDATE claims_version SET version = version + 1;
END;

CREATE TRIGGER claims_see_new_key_spans
AFTER INSERT ON key_spans
BEGIN
  UPDATE claims_version SET version = version + 1;
END;

CREATE TRIGGER claims_see_changed_key_spans
AFTER UPDATE ON key_spans
BEGIN
  UPDATE claims_version SET version = version + 1;
END;
