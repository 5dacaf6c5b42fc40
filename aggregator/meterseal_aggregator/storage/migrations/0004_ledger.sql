-- The ledger: accounts with running balances, append-only transfers in a hash chain, holds.
-- phase: 0 direct, 1 hold, 2 post, 3 void, 4 expire. floor: 0 none, 1 credits cover
-- debits, 2 debits cover credits. hold state: 0 pending, 1 posted, 2 voided, 3 expired.

CREATE TABLE ledger_accounts (
  id INTEGER PRIMARY KEY,
  asset TEXT NOT NULL CHECK (length(asset) BETWEEN 1 AND 32),
  code TEXT NOT NULL CHECK (length(code) BETWEEN 1 AND 160),
  floor INTEGER NOT NULL CHECK (floor IN (0, 1, 2)),
  debits_pending INTEGER NOT NULL CHECK (debits_pending >= 0),
  debits_posted INTEGER NOT NULL CHECK (debits_posted >= 0),
  credits_pending INTEGER NOT NULL CHECK (credits_pending >= 0),
  credits_posted INTEGER NOT NULL CHECK (credits_posted >= 0),
  UNIQUE (code, asset),
  CHECK (floor <> 1 OR debits_pending + debits_posted <= credits_posted),
  CHECK (floor <> 2 OR credits_pending + credits_posted <= debits_posted)
) STRICT;

CREATE TRIGGER ledger_accounts_keep_their_name
BEFORE UPDATE OF id, asset, code, floor ON ledger_accounts
WHEN NEW.id <> OLD.id OR NEW.asset <> OLD.asset OR NEW.code <> OLD.code OR NEW.floor <> OLD.floor
BEGIN
  SELECT RAISE(ABORT, 'an account keeps its name, asset and floor');
END;

CREATE TRIGGER ledger_accounts_posted_totals_only_grow
BEFORE UPDATE OF debits_posted, credits_posted ON ledger_accounts
WHEN NEW.debits_posted < OLD.debits_posted OR NEW.credits_posted < OLD.credits_posted
BEGIN
  SELECT RAISE(ABORT, 'posted totals only grow');
END;

CREATE TRIGGER ledger_accounts_are_never_deleted
BEFORE DELETE ON ledger_accounts
BEGIN
  SELECT RAISE(ABORT, 'an account is never deleted');
END;

CREATE TABLE ledger_transfers (
  seq INTEGER PRIMARY KEY CHECK (seq > 0),
  id BLOB NOT NULL UNIQUE CHECK (length(id) IN (16, 32)),
  phase INTEGER NOT NULL CHECK (phase BETWEEN 0 AND 4),
  at_most INTEGER NOT NULL CHECK (at_most BETWEEN 0 AND 3),
  linked INTEGER NOT NULL CHECK (linked IN (0, 1)),
  debit_id INTEGER NOT NULL REFERENCES ledger_accounts (id),
  credit_id INTEGER NOT NULL REFERENCES ledger_accounts (id),
  amount INTEGER NOT NULL CHECK (amount >= 0),
  pending_id BLOB REFERENCES ledger_transfers (id),
  timeout_s INTEGER NOT NULL CHECK (timeout_s >= 0),
  purpose TEXT NOT NULL CHECK (length(purpose) BETWEEN 1 AND 64),
  reference BLOB NOT NULL CHECK (length(reference) <= 64),
  effective_at INTEGER NOT NULL,
  recorded_at INTEGER NOT NULL,
  hash BLOB NOT NULL CHECK (length(hash) = 32),
  CHECK (debit_id <> credit_id),
  CHECK ((pending_id IS NULL) = (phase < 2))
) STRICT;

CREATE INDEX ledger_transfers_by_debit ON ledger_transfers (debit_id, seq);
CREATE INDEX ledger_transfers_by_credit ON ledger_transfers (credit_id, seq);

CREATE TRIGGER ledger_transfers_are_never_changed
BEFORE UPDATE ON ledger_transfers
BEGIN
  SELECT RAISE(ABORT, 'a transfer is never changed');
END;

CREATE TRIGGER ledger_transfers_are_never_deleted
BEFORE DELETE ON ledger_transfers
BEGIN
  SELECT RAISE(ABORT, 'a transfer is never deleted');
END;

CREATE TABLE ledger_holds (
  transfer_id BLOB PRIMARY KEY REFERENCES ledger_transfers (id),
  state INTEGER NOT NULL CHECK (state BETWEEN 0 AND 3),
  expires_at INTEGER
) STRICT, WITHOUT ROWID;

CREATE INDEX ledger_holds_due ON ledger_holds (expires_at) WHERE state = 0 AND expires_at IS NOT NULL;

CREATE TRIGGER ledger_holds_end_once
BEFORE UPDATE ON ledger_holds
WHEN OLD.state <> 0 OR NEW.transfer_id <> OLD.transfer_id OR NEW.expires_at IS NOT OLD.expires_at
BEGIN
  SELECT RAISE(ABORT, 'a hold ends once and for ever');
END;

CREATE TRIGGER ledger_holds_are_never_deleted
BEFORE DELETE ON ledger_holds
BEGIN
  SELECT RAISE(ABORT, 'a hold is never deleted');
END;
