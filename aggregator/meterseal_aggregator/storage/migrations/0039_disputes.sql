-- Disputes: what a member says is wrong with a bill or a trade, what is frozen for it, and
-- how it was decided. Amounts in micro-units of the asset. claimed: what is said to be
-- wrong; frozen: what of it a bill does not ask for meanwhile. Texts may be erased.

CREATE TABLE disputes (
  id INTEGER PRIMARY KEY CHECK (id > 0),
  member_id INTEGER NOT NULL REFERENCES members (id),
  subject TEXT NOT NULL CHECK (subject IN ('bill', 'trade')),
  bill_id INTEGER REFERENCES bills (id),
  trade_id INTEGER REFERENCES trades (id),
  asset TEXT NOT NULL,
  claimed INTEGER NOT NULL CHECK (claimed > 0),
  frozen INTEGER NOT NULL CHECK (frozen BETWEEN 0 AND claimed),
  held INTEGER NOT NULL CHECK (held IN (0, 1)),
  lines TEXT NOT NULL CHECK (length(lines) <= 2000),
  reason TEXT CHECK (length(reason) BETWEEN 1 AND 500),
  evidence BLOB CHECK (length(evidence) = 32),
  request_key TEXT NOT NULL CHECK (length(request_key) BETWEEN 1 AND 64),
  state TEXT NOT NULL
    CHECK (state IN ('open', 'withdrawn', 'upheld', 'part-upheld', 'rejected')),
  opened_at INTEGER NOT NULL,
  decide_by INTEGER NOT NULL CHECK (decide_by > opened_at),
  ended_at INTEGER,
  UNIQUE (member_id, request_key),
  CHECK ((subject = 'bill') = (bill_id IS NOT NULL)),
  CHECK ((subject = 'trade') = (trade_id IS NOT NULL)),
  CHECK ((state = 'open') = (ended_at IS NULL)),
  CHECK (subject = 'bill' OR frozen = 0),
  CHECK (subject = 'trade' OR held = 0)
) STRICT;

CREATE INDEX disputes_by_member ON disputes (member_id, id);
CREATE INDEX disputes_by_bill ON disputes (bill_id) WHERE bill_id IS NOT NULL;
CREATE INDEX disputes_open ON disputes (decide_by) WHERE state = 'open';

-- One dispute at a time: of a trade by each side, of a bill by its member.
CREATE UNIQUE INDEX disputes_once_a_trade ON disputes (trade_id, member_id)
WHERE state = 'open' AND trade_id IS NOT NULL;

CREATE TRIGGER disputes_end_once
BEFORE UPDATE ON disputes
WHEN NEW.id <> OLD.id OR NEW.member_id <> OLD.member_id OR NEW.subject <> OLD.subject
  OR NEW.bill_id IS NOT OLD.bill_id OR NEW.trade_id IS NOT OLD.trade_id
  OR NEW.claimed <> OLD.claimed OR NEW.frozen <> OLD.frozen OR NEW.held <> OLD.held
  OR NEW.lines <> OLD.lines OR NEW.opened_at <> OLD.opened_at
  OR (OLD.state <> 'open' AND (NEW.state <> OLD.state OR NEW.ended_at <> OLD.ended_at))
  OR (NEW.reason IS NOT NULL AND NEW.reason IS NOT OLD.reason)
  OR (NEW.evidence IS NOT NULL AND NEW.evidence IS NOT OLD.evidence)
BEGIN
  SELECT RAISE(ABORT, 'a dispute ends once; its texts may only be erased');
END;

CREATE TRIGGER disputes_are_never_deleted
BEFORE DELETE ON disputes
BEGIN
  SELECT RAISE(ABORT, 'a dispute is never deleted');
END;

-- The decision of a dispute. Its document's salted hash is in the log: as entry type 4 for a
-- bill's, 3 for a trade's. Salt and reason may be erased.
CREATE TABLE dispute_decisions (
  dispute_id INTEGER PRIMARY KEY REFERENCES disputes (id),
  verdict TEXT NOT NULL CHECK (verdict IN ('upheld', 'part-upheld', 'rejected')),
  remedy TEXT NOT NULL CHECK (remedy IN ('none', 'correction', 'credit')),
  amount INTEGER NOT NULL CHECK (amount >= 0),
  actor TEXT NOT NULL CHECK (length(actor) BETWEEN 1 AND 120),
  reason TEXT CHECK (length(reason) BETWEEN 1 AND 500),
  decided_at INTEGER NOT NULL,
  salt BLOB CHECK (length(salt) = 16),
  hash BLOB NOT NULL CHECK (length(hash) = 32),
  log_entry_id INTEGER NOT NULL UNIQUE REFERENCES log_entries (id),
  CHECK ((verdict = 'rejected') = (remedy = 'none')),
  CHECK ((verdict = 'rejected') = (amount = 0))
) STRICT;

CREATE TRIGGER dispute_decisions_stand
BEFORE UPDATE ON dispute_decisions
WHEN NEW.dispute_id <> OLD.dispute_id OR NEW.verdict <> OLD.verdict
  OR NEW.remedy <> OLD.remedy OR NEW.amount <> OLD.amount OR NEW.actor <> OLD.actor
  OR NEW.decided_at <> OLD.decided_at OR NEW.hash <> OLD.hash
  OR NEW.log_entry_id <> OLD.log_entry_id OR NEW.reason IS NOT NULL OR NEW.salt IS NOT NULL
BEGIN
  SELECT RAISE(ABORT, 'a decision stands; its reason and salt may only be erased');
END;

CREATE TRIGGER dispute_decisions_are_never_deleted
BEFORE DELETE ON dispute_decisions
BEGIN
  SELECT RAISE(ABORT, 'a decision stands');
END;
