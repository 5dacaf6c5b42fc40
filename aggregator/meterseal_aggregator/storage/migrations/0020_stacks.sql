-- What we want done on the chain, each deed once: the wish, every signed transaction for it
-- before it was sent, and the block in which one of them was seen.

-- deed names the wish ('anchor 4711'). payload and conditions are consensus bytes, the
-- conditions as a JSON list of hex. nonce is the one it has now; taken_at the height at
-- which that nonce was first found used by nobody we know.
CREATE TABLE deeds (
  id INTEGER PRIMARY KEY,
  account TEXT NOT NULL CHECK (length(account) BETWEEN 1 AND 60),
  deed TEXT NOT NULL UNIQUE CHECK (length(deed) BETWEEN 1 AND 200),
  payload BLOB NOT NULL,
  conditions TEXT NOT NULL,
  wanted_at INTEGER NOT NULL,
  state TEXT NOT NULL DEFAULT 'wanted'
    CHECK (state IN ('wanted', 'sent', 'confirmed', 'failed')),
  nonce INTEGER CHECK (nonce >= 0),
  taken_at INTEGER CHECK (taken_at >= 0),
  settled_at INTEGER,
  CHECK ((state = 'wanted') = (nonce IS NULL)),
  CHECK ((state IN ('confirmed', 'failed')) = (settled_at IS NOT NULL))
) STRICT;

CREATE UNIQUE INDEX deeds_have_one_nonce ON deeds (account, nonce) WHERE nonce IS NOT NULL;
CREATE INDEX deeds_open ON deeds (account, id) WHERE state IN ('wanted', 'sent');

CREATE TRIGGER deeds_are_never_deleted
BEFORE DELETE ON deeds
BEGIN
  SELECT RAISE(ABORT, 'a deed is never deleted');
END;

CREATE TRIGGER deeds_keep_what_was_wanted
BEFORE UPDATE ON deeds
WHEN NEW.id <> OLD.id OR NEW.account <> OLD.account OR NEW.deed <> OLD.deed
  OR NEW.payload <> OLD.payload OR NEW.conditions <> OLD.conditions
  OR OLD.state IN ('confirmed', 'failed')
BEGIN
  SELECT RAISE(ABORT, 'a deed stays what was wanted, and settled once it is');
END;

-- One row for each price at which a deed was signed, durable before it is sent.
CREATE TABLE attempts (
  id INTEGER PRIMARY KEY,
  deed_id INTEGER NOT NULL REFERENCES deeds (id),
  txid TEXT NOT NULL UNIQUE CHECK (length(txid) = 64),
  nonce INTEGER NOT NULL CHECK (nonce >= 0),
  fee INTEGER NOT NULL CHECK (fee > 0),
  raw BLOB NOT NULL,
  made_at INTEGER NOT NULL,
  sent_at INTEGER,
  UNIQUE (deed_id, nonce, fee)
) STRICT;

CREATE TRIGGER attempts_are_never_deleted
BEFORE DELETE ON attempts
BEGIN
  SELECT RAISE(ABORT, 'a signed transaction is never forgotten');
END;

CREATE TRIGGER attempts_keep_their_bytes
BEFORE UPDATE ON attempts
WHEN NEW.id <> OLD.id OR NEW.deed_id <> OLD.deed_id OR NEW.txid <> OLD.txid
  OR NEW.nonce <> OLD.nonce OR NEW.fee <> OLD.fee OR NEW.raw <> OLD.raw
BEGIN
  SELECT RAISE(ABORT, 'a signed transaction keeps its bytes');
END;

-- Where a deed stands; gone again when its block is gone before it counted.
CREATE TABLE seen (
  deed_id INTEGER PRIMARY KEY REFERENCES deeds (id),
  txid TEXT NOT NULL REFERENCES attempts (txid),
  height INTEGER NOT NULL CHECK (height >= 0),
  block_id TEXT NOT NULL CHECK (length(block_id) = 64),
  ok INTEGER NOT NULL CHECK (ok IN (0, 1)),
  result BLOB NOT NULL
) STRICT;
