-- Private bills as statements, and bills that are paid on the chain.

-- The period of a supply whose usage is hidden, whole within one version of its tariff, and
-- what became of it. state: asked until its statement is issued, by what was opened or by
-- the fallback; corrected once a fallback's device opened after all.
CREATE TABLE private_periods (
  id INTEGER PRIMARY KEY CHECK (id > 0),
  supply_id INTEGER NOT NULL REFERENCES supplies (id),
  register_id INTEGER NOT NULL REFERENCES registers (id),
  from_at INTEGER NOT NULL,
  to_at INTEGER NOT NULL,
  tariff BLOB NOT NULL REFERENCES full_tariffs (hash),
  asked_at INTEGER NOT NULL,
  fallback_at INTEGER NOT NULL,
  state TEXT NOT NULL DEFAULT 'asked' CHECK (state IN ('asked', 'opened', 'fallback', 'corrected')),
  bill_id INTEGER UNIQUE REFERENCES bills (id),
  UNIQUE (supply_id, from_at),
  CHECK (from_at < to_at AND fallback_at >= to_at),
  CHECK ((state = 'asked') = (bill_id IS NULL))
) STRICT;

CREATE INDEX private_periods_waiting ON private_periods (id)
WHERE state IN ('asked', 'fallback');

CREATE TRIGGER private_periods_keep_what_was_asked
BEFORE UPDATE ON private_periods
WHEN NEW.id <> OLD.id OR NEW.supply_id <> OLD.supply_id OR NEW.register_id <> OLD.register_id
  OR NEW.from_at <> OLD.from_at OR NEW.to_at <> OLD.to_at OR NEW.tariff <> OLD.tariff
  OR NEW.asked_at <> OLD.asked_at OR NEW.fallback_at <> OLD.fallback_at
  OR NOT ((OLD.state = 'asked' AND NEW.state IN ('opened', 'fallback'))
    OR (OLD.state = 'fallback' AND NEW.state = 'corrected'))
BEGIN
  SELECT RAISE(ABORT, 'a private period is billed once, and corrected once it is opened');
END;

CREATE TRIGGER private_periods_are_never_deleted
BEFORE DELETE ON private_periods
BEGIN
  SELECT RAISE(ABORT, 'a private period is never deleted');
END;

-- What the device of such a period is asked to open, in the order of its tariff's plan; each
-- is a tariff of devices that was derived from the tariff in full.
CREATE TABLE private_openings (
  period_id INTEGER NOT NULL REFERENCES private_periods (id),
  place INTEGER NOT NULL CHECK (place >= 0),
  tariff BLOB NOT NULL REFERENCES tariffs (hash),
  PRIMARY KEY (period_id, place)
) STRICT, WITHOUT ROWID;

CREATE TRIGGER private_openings_are_never_changed
BEFORE UPDATE ON private_openings
BEGIN
  SELECT RAISE(ABORT, 'what a device was asked to open is never changed');
END;

-- How often a deed was refused by its contract, and when last (real Unix seconds): the next
-- try has another name.
CREATE TABLE chain_tries (
  name TEXT PRIMARY KEY CHECK (length(name) BETWEEN 1 AND 80),
  tries INTEGER NOT NULL CHECK (tries > 0),
  last_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- A bill's salted hash as the chain told that it stands there.
CREATE TABLE chain_hashes (
  bill_id INTEGER PRIMARY KEY REFERENCES bills (id),
  txid TEXT NOT NULL CHECK (length(txid) = 64),
  height INTEGER NOT NULL
) STRICT;

CREATE TRIGGER chain_hashes_are_never_changed
BEFORE UPDATE ON chain_hashes
BEGIN
  SELECT RAISE(ABORT, 'where a hash stands is never changed');
END;

-- A tariff on totals as the contract knows it: hash is the contract's name of it, from_at
-- the second it holds from there. posted once the chain told so.
CREATE TABLE chain_tariffs (
  hash BLOB PRIMARY KEY CHECK (length(hash) = 32),
  tariff BLOB NOT NULL REFERENCES full_tariffs (hash),
  document BLOB NOT NULL,
  provider TEXT NOT NULL,
  due INTEGER NOT NULL CHECK (due > 0),
  from_at INTEGER NOT NULL,
  posted INTEGER NOT NULL DEFAULT 0 CHECK (posted IN (0, 1))
) STRICT, WITHOUT ROWID;

CREATE INDEX chain_tariffs_by_tariff ON chain_tariffs (tariff, from_at);

-- A bill that its member opened on the chain, for ever: what opens the sum of its days, who
-- pays, and how it stands there. Amounts in micro-units of the bill's asset. number and
-- due_at are the contract's; asked is what was asked first, amount what is after a court.
CREATE TABLE chain_bills (
  id INTEGER PRIMARY KEY CHECK (id > 0),
  bill_id INTEGER NOT NULL UNIQUE REFERENCES bills (id),
  private_bill_id INTEGER NOT NULL REFERENCES private_bills (id),
  meter BLOB NOT NULL CHECK (length(meter) = 16),
  payer TEXT NOT NULL CHECK (length(payer) BETWEEN 1 AND 100),
  usage INTEGER NOT NULL CHECK (usage >= 0),
  z BLOB NOT NULL CHECK (length(z) = 32),
  a BLOB NOT NULL CHECK (length(a) IN (0, 33)),
  tariff BLOB NOT NULL REFERENCES chain_tariffs (hash),
  asset TEXT NOT NULL,
  asked INTEGER NOT NULL CHECK (asked > 0),
  asked_at INTEGER NOT NULL,
  number INTEGER UNIQUE CHECK (number > 0),
  due_at INTEGER,
  amount INTEGER CHECK (amount >= 0),
  paid INTEGER NOT NULL DEFAULT 0 CHECK (paid >= 0),
  reward INTEGER NOT NULL DEFAULT 0 CHECK (reward >= 0),
  held INTEGER NOT NULL DEFAULT 0 CHECK (held IN (0, 1)),
  CHECK ((number IS NULL) = (amount IS NULL) AND (number IS NULL) = (due_at IS NULL)),
  CHECK (number IS NOT NULL OR (paid = 0 AND reward = 0 AND held = 0))
) STRICT;

CREATE INDEX chain_bills_waiting ON chain_bills (id) WHERE number IS NULL;
CREATE INDEX chain_bills_refundable ON chain_bills (id) WHERE paid > amount;

CREATE TRIGGER chain_bills_keep_what_was_asked
BEFORE UPDATE ON chain_bills
WHEN NEW.id <> OLD.id OR NEW.bill_id <> OLD.bill_id OR NEW.meter <> OLD.meter
  OR NEW.private_bill_id <> OLD.private_bill_id OR NEW.payer <> OLD.payer
  OR NEW.usage <> OLD.usage OR NEW.z <> OLD.z OR NEW.a <> OLD.a OR NEW.tariff <> OLD.tariff
  OR NEW.asset <> OLD.asset OR NEW.asked <> OLD.asked OR NEW.asked_at <> OLD.asked_at
  OR (OLD.number IS NOT NULL AND NEW.number IS NOT OLD.number)
BEGIN
  SELECT RAISE(ABORT, 'a bill on the chain keeps what was asked, and its number');
END;

CREATE TRIGGER chain_bills_are_never_deleted
BEFORE DELETE ON chain_bills
BEGIN
  SELECT RAISE(ABORT, 'a bill on the chain is never deleted');
END;

-- What the chain told of those bills, each event once: the ledger moved by these alone.
-- price and other: what was paid at a quote, in another asset.
CREATE TABLE chain_bill_acts (
  txid TEXT NOT NULL CHECK (length(txid) = 64),
  told_index INTEGER NOT NULL,
  chain_bill_id INTEGER NOT NULL REFERENCES chain_bills (id),
  height INTEGER NOT NULL,
  act TEXT NOT NULL CHECK (act IN
    ('issued', 'paid', 'paid-at-quote', 'corrected', 'refunded', 'held', 'let-go', 'rewarded')),
  amount INTEGER NOT NULL CHECK (amount >= 0),
  other TEXT,
  price INTEGER CHECK (price > 0),
  at INTEGER NOT NULL,
  PRIMARY KEY (txid, told_index),
  CHECK ((act = 'paid-at-quote') = (price IS NOT NULL)),
  CHECK ((price IS NULL) = (other IS NULL))
) STRICT, WITHOUT ROWID;

CREATE INDEX chain_bill_acts_by_bill ON chain_bill_acts (chain_bill_id);

CREATE TRIGGER chain_bill_acts_are_never_changed
BEFORE UPDATE ON chain_bill_acts
BEGIN
  SELECT RAISE(ABORT, 'what the chain told stays told');
END;

CREATE TRIGGER chain_bill_acts_are_never_deleted
BEFORE DELETE ON chain_bill_acts
BEGIN
  SELECT RAISE(ABORT, 'what the chain told stays told');
END;

-- What the chain told of bills, payments and hashes under our name that nothing explains;
-- nothing was posted for it. number: of the contract's bill, 0 for a hash.
CREATE TABLE chain_bill_strays (
  id INTEGER PRIMARY KEY,
  height INTEGER NOT NULL,
  txid TEXT NOT NULL CHECK (length(txid) = 64),
  told_index INTEGER NOT NULL,
  what TEXT NOT NULL CHECK (length(what) BETWEEN 1 AND 64),
  number TEXT NOT NULL CHECK (length(number) BETWEEN 1 AND 40),
  told_at INTEGER NOT NULL,
  UNIQUE (txid, told_index)
) STRICT;

CREATE INDEX chain_bill_strays_by_number ON chain_bill_strays (number);

CREATE TRIGGER chain_bill_strays_are_never_changed
BEFORE UPDATE ON chain_bill_strays
BEGIN
  SELECT RAISE(ABORT, 'what was told stays told');
END;

CREATE TRIGGER chain_bill_strays_are_never_deleted
BEFORE DELETE ON chain_bill_strays
BEGIN
  SELECT RAISE(ABORT, 'what was told stays told');
END;

-- A committed day as meter-data keeps it, from when it counts (real Unix seconds).
CREATE TABLE chain_days (
  register_id INTEGER NOT NULL REFERENCES registers (id),
  first INTEGER NOT NULL,
  hash BLOB NOT NULL CHECK (length(hash) = 32),
  counts_from INTEGER NOT NULL,
  PRIMARY KEY (register_id, first)
) STRICT, WITHOUT ROWID;

-- Until when (real Unix seconds) a meter's owner lets us open its usage in bills.
CREATE TABLE chain_lets (
  meter BLOB PRIMARY KEY CHECK (length(meter) = 16),
  until INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- What we take for a bill in another asset ('' is STX), as the chain told it.
CREATE TABLE chain_quotes (
  chain_bill_id INTEGER NOT NULL REFERENCES chain_bills (id),
  asset TEXT NOT NULL,
  price INTEGER NOT NULL CHECK (price > 0),
  covers INTEGER NOT NULL CHECK (covers > 0),
  expires INTEGER NOT NULL,
  PRIMARY KEY (chain_bill_id, asset)
) STRICT, WITHOUT ROWID;

-- Utility tokens by holder, in millionths, as settled events add them up.
CREATE TABLE utility_balances (
  holder TEXT PRIMARY KEY,
  amount INTEGER NOT NULL CHECK (amount >= 0)
) STRICT, WITHOUT ROWID;
