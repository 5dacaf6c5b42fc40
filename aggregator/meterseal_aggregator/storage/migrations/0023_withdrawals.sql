-- Wh that leave our ledger for the chain, and come back: who asked for what, each part
-- that the chain pays at once, epochs of claims, corrections, deposits, and whatever the
-- chain told that no withdrawal explains. Times are the network's Unix seconds.

CREATE TABLE withdrawals (
  id INTEGER PRIMARY KEY CHECK (id > 0),
  member_id INTEGER NOT NULL REFERENCES members (id),
  key TEXT NOT NULL CHECK (length(key) BETWEEN 1 AND 64),
  meter_point_id INTEGER NOT NULL REFERENCES meter_points (id),
  register INTEGER NOT NULL CHECK (register BETWEEN 0 AND 281474976710655),
  asked_wh INTEGER NOT NULL CHECK (asked_wh > 0),
  asked_way TEXT NOT NULL CHECK (asked_way IN ('', 'direct', 'epoch')),
  way TEXT NOT NULL CHECK (way IN ('direct', 'epoch')),
  owner TEXT NOT NULL CHECK (length(owner) BETWEEN 1 AND 100),
  asked_at INTEGER NOT NULL,
  UNIQUE (member_id, key)
) STRICT;

CREATE INDEX withdrawals_by_place ON withdrawals (meter_point_id, register);

CREATE TRIGGER withdrawals_are_never_changed
BEFORE UPDATE ON withdrawals
BEGIN
  SELECT RAISE(ABORT, 'a withdrawal stays what was asked for');
END;

CREATE TRIGGER withdrawals_are_never_deleted
BEFORE DELETE ON withdrawals
BEGIN
  SELECT RAISE(ABORT, 'a withdrawal is never deleted');
END;

-- An epoch of claims: posting until its event or its refusal; posted for ever after;
-- foreign when somebody else posted it under our oracle's name.
CREATE TABLE claim_epochs (
  id INTEGER PRIMARY KEY CHECK (id > 0),
  number INTEGER NOT NULL CHECK (number > 0),
  root BLOB NOT NULL CHECK (length(root) = 32),
  size INTEGER NOT NULL CHECK (size > 0),
  total INTEGER NOT NULL CHECK (total > 0),
  state TEXT NOT NULL CHECK (state IN ('posting', 'posted', 'refused', 'foreign')),
  made_at INTEGER NOT NULL,
  settled_at INTEGER,
  CHECK ((state = 'posting') = (settled_at IS NULL))
) STRICT;

CREATE UNIQUE INDEX claim_epochs_one_at_a_time ON claim_epochs (state)
WHERE state = 'posting';
CREATE UNIQUE INDEX claim_epochs_by_number ON claim_epochs (number)
WHERE state IN ('posted', 'foreign');

CREATE TRIGGER claim_epochs_settle_once
BEFORE UPDATE ON claim_epochs
WHEN OLD.state <> 'posting' OR NEW.id <> OLD.id OR NEW.number <> OLD.number
  OR NEW.root <> OLD.root OR NEW.size <> OLD.size OR NEW.total <> OLD.total
BEGIN
  SELECT RAISE(ABORT, 'an epoch keeps its claims, and settles once');
END;

CREATE TRIGGER claim_epochs_are_never_deleted
BEFORE DELETE ON claim_epochs
BEGIN
  SELECT RAISE(ABORT, 'an epoch is never deleted');
END;

-- What the chain pays at once: a slot by its mint id, or the leaf of an epoch over
-- some time. paid is what came after debts on the chain.
CREATE TABLE withdrawn_parts (
  id INTEGER PRIMARY KEY CHECK (id > 0),
  withdrawal_id INTEGER NOT NULL REFERENCES withdrawals (id),
  number INTEGER NOT NULL CHECK (number >= 0),
  meter_point_id INTEGER NOT NULL,
  register INTEGER NOT NULL,
  start INTEGER NOT NULL CHECK (start >= 0),
  end_at INTEGER NOT NULL CHECK (end_at > start),
  wh INTEGER NOT NULL CHECK (wh > 0),
  mint_id BLOB CHECK (length(mint_id) = 32),
  epoch_id INTEGER REFERENCES claim_epochs (id),
  leaf INTEGER CHECK (leaf >= 0),
  state TEXT NOT NULL DEFAULT 'leaving' CHECK (state IN ('leaving', 'arrived', 'refused')),
  paid INTEGER CHECK (paid BETWEEN 0 AND wh),
  txid TEXT CHECK (length(txid) = 64),
  told_index INTEGER,
  settled_at INTEGER,
  UNIQUE (withdrawal_id, number),
  UNIQUE (epoch_id, leaf),
  CHECK ((epoch_id IS NULL) = (leaf IS NULL)),
  CHECK (mint_id IS NULL OR epoch_id IS NULL),
  CHECK ((state = 'leaving') = (settled_at IS NULL)),
  CHECK ((state = 'arrived') = (paid IS NOT NULL)),
  CHECK ((state = 'arrived') = (txid IS NOT NULL))
) STRICT;

CREATE UNIQUE INDEX withdrawn_parts_by_mint ON withdrawn_parts (mint_id)
WHERE mint_id IS NOT NULL AND state <> 'refused';
CREATE INDEX withdrawn_parts_by_place ON withdrawn_parts (meter_point_id, register, end_at)
WHERE state <> 'refused';
CREATE INDEX withdrawn_parts_leaving ON withdrawn_parts (id) WHERE state = 'leaving';

CREATE TRIGGER withdrawn_parts_are_each_time_once
BEFORE INSERT ON withdrawn_parts
WHEN EXISTS (
  SELECT 1 FROM withdrawn_parts WHERE meter_point_id = NEW.meter_point_id
  AND register = NEW.register AND state <> 'refused' AND end_at > NEW.start)
BEGIN
  SELECT RAISE(ABORT, 'that time of the register was withdrawn');
END;

CREATE TRIGGER withdrawn_parts_settle_once
BEFORE UPDATE ON withdrawn_parts
WHEN OLD.state <> 'leaving' OR NEW.id <> OLD.id OR NEW.withdrawal_id <> OLD.withdrawal_id
  OR NEW.number <> OLD.number OR NEW.meter_point_id <> OLD.meter_point_id
  OR NEW.register <> OLD.register OR NEW.start <> OLD.start OR NEW.end_at <> OLD.end_at
  OR NEW.wh <> OLD.wh OR NEW.mint_id IS NOT OLD.mint_id
  OR (OLD.epoch_id IS NOT NULL
    AND (NEW.epoch_id IS NOT OLD.epoch_id OR NEW.leaf IS NOT OLD.leaf))
BEGIN
  SELECT RAISE(ABORT, 'a part keeps what it is, joins one epoch, and settles once');
END;

CREATE TRIGGER withdrawn_parts_are_never_deleted
BEFORE DELETE ON withdrawn_parts
BEGIN
  SELECT RAISE(ABORT, 'a withdrawn part is never deleted');
END;

-- What was minted too much, asked back from the chain; paid is what was burned there.
CREATE TABLE chain_reversals (
  id INTEGER PRIMARY KEY CHECK (id > 0),
  part_id INTEGER NOT NULL REFERENCES withdrawn_parts (id),
  wh INTEGER NOT NULL CHECK (wh > 0),
  state TEXT NOT NULL DEFAULT 'wanted' CHECK (state IN ('wanted', 'done', 'refused')),
  burned INTEGER CHECK (burned BETWEEN 0 AND wh),
  wanted_at INTEGER NOT NULL,
  settled_at INTEGER,
  CHECK ((state = 'wanted') = (settled_at IS NULL)),
  CHECK ((state = 'done') = (burned IS NOT NULL))
) STRICT;

CREATE INDEX chain_reversals_by_part ON chain_reversals (part_id);
CREATE INDEX chain_reversals_wanted ON chain_reversals (id) WHERE state = 'wanted';

CREATE TRIGGER chain_reversals_settle_once
BEFORE UPDATE ON chain_reversals
WHEN OLD.state <> 'wanted' OR NEW.id <> OLD.id OR NEW.part_id <> OLD.part_id
  OR NEW.wh <> OLD.wh
BEGIN
  SELECT RAISE(ABORT, 'a reversal settles once');
END;

CREATE TRIGGER chain_reversals_are_never_deleted
BEFORE DELETE ON chain_reversals
BEGIN
  SELECT RAISE(ABORT, 'a reversal is never deleted');
END;

-- What a principal owes to the contract, as its settled events say.
CREATE TABLE chain_debts (
  owner TEXT PRIMARY KEY,
  wh TEXT NOT NULL CHECK (length(wh) BETWEEN 1 AND 40)
) STRICT, WITHOUT ROWID;

-- The name under which a member's retirement on the chain is a deposit here.
CREATE TABLE deposits (
  id INTEGER PRIMARY KEY CHECK (id > 0),
  member_id INTEGER NOT NULL REFERENCES members (id),
  key TEXT NOT NULL CHECK (length(key) BETWEEN 1 AND 64),
  name BLOB NOT NULL UNIQUE CHECK (length(name) = 32),
  opened_at INTEGER NOT NULL,
  UNIQUE (member_id, key)
) STRICT;

CREATE TRIGGER deposits_are_never_changed
BEFORE UPDATE ON deposits
BEGIN
  SELECT RAISE(ABORT, 'a deposit keeps its name');
END;

CREATE TRIGGER deposits_are_never_deleted
BEFORE DELETE ON deposits
BEGIN
  SELECT RAISE(ABORT, 'a deposit is never deleted');
END;

CREATE TABLE deposited (
  deposit_id INTEGER NOT NULL REFERENCES deposits (id),
  txid TEXT NOT NULL CHECK (length(txid) = 64),
  told_index INTEGER NOT NULL,
  wh INTEGER NOT NULL CHECK (wh > 0),
  holder TEXT NOT NULL,
  at INTEGER NOT NULL,
  PRIMARY KEY (txid, told_index)
) STRICT, WITHOUT ROWID;

CREATE INDEX deposited_by_deposit ON deposited (deposit_id);

CREATE TRIGGER deposited_is_never_changed
BEFORE UPDATE ON deposited
BEGIN
  SELECT RAISE(ABORT, 'what was deposited stays');
END;

CREATE TRIGGER deposited_is_never_deleted
BEFORE DELETE ON deposited
BEGIN
  SELECT RAISE(ABORT, 'what was deposited stays');
END;

-- What the chain told that no withdrawal explains; nothing was posted for it.
CREATE TABLE chain_strays (
  id INTEGER PRIMARY KEY,
  height INTEGER NOT NULL,
  txid TEXT NOT NULL CHECK (length(txid) = 64),
  told_index INTEGER NOT NULL,
  what TEXT NOT NULL CHECK (length(what) BETWEEN 1 AND 64),
  wh TEXT NOT NULL CHECK (length(wh) BETWEEN 1 AND 40),
  told_at INTEGER NOT NULL,
  UNIQUE (txid, told_index)
) STRICT;

CREATE TRIGGER chain_strays_are_never_changed
BEFORE UPDATE ON chain_strays
BEGIN
  SELECT RAISE(ABORT, 'what was told stays told');
END;

CREATE TRIGGER chain_strays_are_never_deleted
BEFORE DELETE ON chain_strays
BEGIN
  SELECT RAISE(ABORT, 'what was told stays told');
END;

-- Corrections of slots are few among all credits; the withdrawals ask for them often.
CREATE INDEX credits_corrected_down ON credits (mint_id) WHERE posted_wh < 0;
