-- Bills and credit notes as issued: documents that never change, where each stands, and what
-- was done to it. Amounts are in micro-units of the asset; a document counts minor units.

CREATE TABLE bills (
  id INTEGER PRIMARY KEY CHECK (id > 0),
  number TEXT NOT NULL UNIQUE CHECK (length(number) BETWEEN 1 AND 32),
  kind TEXT NOT NULL CHECK (kind IN ('bill', 'credit-note')),
  supply_id INTEGER NOT NULL REFERENCES supplies (id),
  member_id INTEGER NOT NULL REFERENCES members (id),
  from_at INTEGER NOT NULL,
  to_at INTEGER NOT NULL,
  asset TEXT NOT NULL,
  amount INTEGER NOT NULL,
  corrects_id INTEGER UNIQUE REFERENCES bills (id),
  replaces_id INTEGER UNIQUE REFERENCES bills (id),
  private_bill_id INTEGER UNIQUE REFERENCES private_bills (id),
  rail TEXT NOT NULL CHECK (rail IN ('ledger', 'stacks')),
  known_at INTEGER NOT NULL,
  issued_at INTEGER NOT NULL,
  document BLOB NOT NULL,
  salt BLOB CHECK (length(salt) = 16),
  hash BLOB NOT NULL UNIQUE CHECK (length(hash) = 32),
  log_entry_id INTEGER NOT NULL UNIQUE REFERENCES log_entries (id),
  CHECK (from_at < to_at),
  CHECK ((kind = 'credit-note') = (corrects_id IS NOT NULL)),
  CHECK (corrects_id IS NULL OR replaces_id IS NULL)
) STRICT;

CREATE INDEX bills_by_supply ON bills (supply_id, from_at);
CREATE INDEX bills_by_member ON bills (member_id, id);

-- One bill a span: another is possible only in place of one that a credit note took back.
CREATE UNIQUE INDEX bills_once ON bills (supply_id, from_at)
WHERE kind = 'bill' AND replaces_id IS NULL;

CREATE TRIGGER bills_are_never_changed
BEFORE UPDATE ON bills
WHEN NEW.salt IS NOT NULL OR NEW.id <> OLD.id OR NEW.number <> OLD.number
  OR NEW.kind <> OLD.kind OR NEW.supply_id <> OLD.supply_id OR NEW.member_id <> OLD.member_id
  OR NEW.from_at <> OLD.from_at OR NEW.to_at <> OLD.to_at OR NEW.asset <> OLD.asset
  OR NEW.amount <> OLD.amount OR NEW.corrects_id IS NOT OLD.corrects_id
  OR NEW.replaces_id IS NOT OLD.replaces_id OR NEW.private_bill_id IS NOT OLD.private_bill_id
  OR NEW.rail <> OLD.rail OR NEW.known_at <> OLD.known_at OR NEW.issued_at <> OLD.issued_at
  OR NEW.document <> OLD.document OR NEW.hash <> OLD.hash
  OR NEW.log_entry_id <> OLD.log_entry_id
BEGIN
  SELECT RAISE(ABORT, 'a bill is never changed, a credit note takes it back; its salt goes once');
END;

CREATE TRIGGER bills_are_never_deleted
BEFORE DELETE ON bills
BEGIN
  SELECT RAISE(ABORT, 'a bill is never deleted');
END;

-- Where a bill stands: amount + late_fees + given - paid is outstanding, disputed a part of
-- it. given is what the bill gave the member: a negative total, or what he had paid too much
-- on the bill it replaces. looked_to: usage known by then was compared with what was billed.
CREATE TABLE bill_standings (
  bill_id INTEGER PRIMARY KEY REFERENCES bills (id),
  state TEXT NOT NULL
    CHECK (state IN ('issued', 'part-paid', 'paid', 'overdue', 'corrected')),
  due_at INTEGER NOT NULL,
  paid INTEGER NOT NULL DEFAULT 0 CHECK (paid >= 0),
  late_fees INTEGER NOT NULL DEFAULT 0 CHECK (late_fees >= 0),
  disputed INTEGER NOT NULL DEFAULT 0 CHECK (disputed >= 0),
  given INTEGER NOT NULL DEFAULT 0 CHECK (given >= 0),
  looked_to INTEGER NOT NULL
) STRICT;

CREATE INDEX bill_standings_due ON bill_standings (due_at)
WHERE state IN ('issued', 'part-paid');

CREATE TABLE bill_acts (
  id INTEGER PRIMARY KEY CHECK (id > 0),
  bill_id INTEGER NOT NULL REFERENCES bills (id),
  act TEXT NOT NULL CHECK (length(act) BETWEEN 1 AND 32),
  amount INTEGER NOT NULL,
  at INTEGER NOT NULL,
  actor TEXT NOT NULL CHECK (length(actor) BETWEEN 1 AND 120),
  note TEXT NOT NULL CHECK (length(note) <= 200)
) STRICT;

CREATE INDEX bill_acts_by_bill ON bill_acts (bill_id, id);

CREATE TRIGGER bill_acts_are_never_changed
BEFORE UPDATE ON bill_acts
BEGIN
  SELECT RAISE(ABORT, 'what was done to a bill is never changed');
END;

CREATE TRIGGER bill_acts_are_never_deleted
BEFORE DELETE ON bill_acts
BEGIN
  SELECT RAISE(ABORT, 'what was done to a bill is never deleted');
END;

-- Wh of a slot that neighbours sold to a member and his bill netted: retired with it.
CREATE TABLE netted_slots (
  supply_id INTEGER NOT NULL REFERENCES supplies (id),
  start INTEGER NOT NULL,
  length INTEGER NOT NULL CHECK (length > 0),
  wh INTEGER NOT NULL CHECK (wh > 0),
  bill_id INTEGER NOT NULL REFERENCES bills (id),
  PRIMARY KEY (supply_id, start, bill_id)
) STRICT, WITHOUT ROWID;

CREATE TRIGGER netted_slots_are_never_changed
BEFORE UPDATE ON netted_slots
BEGIN
  SELECT RAISE(ABORT, 'what a bill netted is never changed');
END;

CREATE TRIGGER netted_slots_are_never_deleted
BEFORE DELETE ON netted_slots
BEGIN
  SELECT RAISE(ABORT, 'what a bill netted is never deleted');
END;

-- The registers a bill stands on, each over its part of the period: how bills are found that
-- a later reading touches. A private bill has its register here too.
CREATE TABLE bill_usage (
  bill_id INTEGER NOT NULL REFERENCES bills (id),
  register_id INTEGER NOT NULL REFERENCES registers (id),
  from_at INTEGER NOT NULL,
  to_at INTEGER NOT NULL,
  PRIMARY KEY (bill_id, register_id, from_at),
  CHECK (from_at < to_at)
) STRICT, WITHOUT ROWID;

CREATE INDEX bill_usage_by_register ON bill_usage (register_id, from_at);

CREATE TRIGGER bill_usage_is_never_changed
BEFORE UPDATE ON bill_usage
BEGIN
  SELECT RAISE(ABORT, 'what a bill stands on is never changed');
END;

CREATE TRIGGER bill_usage_is_never_deleted
BEFORE DELETE ON bill_usage
BEGIN
  SELECT RAISE(ABORT, 'what a bill stands on is never deleted');
END;

-- Why a supply has no bill from a second on though the cycle is over, or why that bill is not
-- corrected, and when it is looked at again: the last reason only, gone with the bill.
CREATE TABLE bill_waits (
  id INTEGER PRIMARY KEY CHECK (id > 0),
  supply_id INTEGER NOT NULL REFERENCES supplies (id),
  from_at INTEGER NOT NULL,
  cause TEXT NOT NULL CHECK (length(cause) BETWEEN 1 AND 32),
  detail TEXT NOT NULL CHECK (length(detail) <= 400),
  at INTEGER NOT NULL,
  again_at INTEGER NOT NULL,
  UNIQUE (supply_id, from_at)
) STRICT;
