-- The chain as we follow it: the blocks since our contracts are there, what those printed,
-- and the books that follow from what lies deep enough to be settled.

-- One row: whose contracts are followed, from which block on, and up to which all is settled
-- (start - 1 before the first); the tip that a node told last, and when (Unix seconds).
CREATE TABLE chain_state (
  id INTEGER PRIMARY KEY CHECK (id = 1),
  publisher TEXT NOT NULL CHECK (length(publisher) BETWEEN 1 AND 60),
  start INTEGER NOT NULL CHECK (start > 0),
  settled INTEGER NOT NULL,
  tip INTEGER NOT NULL CHECK (tip >= 0),
  looked_at INTEGER NOT NULL,
  CHECK (settled >= start - 1)
) STRICT;

CREATE TRIGGER chain_state_goes_on
BEFORE UPDATE ON chain_state
WHEN NEW.publisher <> OLD.publisher OR NEW.start <> OLD.start OR NEW.settled < OLD.settled
BEGIN
  SELECT RAISE(ABORT, 'what is settled stays settled');
END;

CREATE TRIGGER chain_state_is_never_deleted
BEFORE DELETE ON chain_state
BEGIN
  SELECT RAISE(ABORT, 'what is settled stays settled');
END;

-- Of settled blocks the newest is kept, for the next to stand on, and those with events.
CREATE TABLE chain_blocks (
  height INTEGER PRIMARY KEY CHECK (height > 0),
  block_id TEXT NOT NULL CHECK (length(block_id) = 64),
  parent_id TEXT NOT NULL CHECK (length(parent_id) = 64)
) STRICT;

CREATE TRIGGER chain_blocks_keep_the_newest_settled
BEFORE DELETE ON chain_blocks
WHEN OLD.height = (SELECT settled FROM chain_state)
BEGIN
  SELECT RAISE(ABORT, 'the newest settled block is kept');
END;

-- What our contracts printed, by its place in the block; contract is the bare name, value
-- consensus bytes. odd is 1 for what this release cannot read.
CREATE TABLE chain_events (
  height INTEGER NOT NULL REFERENCES chain_blocks (height),
  position INTEGER NOT NULL CHECK (position >= 0),
  txid TEXT NOT NULL CHECK (length(txid) = 64),
  event_index INTEGER NOT NULL CHECK (event_index >= 0),
  contract TEXT NOT NULL CHECK (length(contract) BETWEEN 1 AND 128),
  value BLOB NOT NULL,
  odd INTEGER NOT NULL DEFAULT 0 CHECK (odd IN (0, 1)),
  PRIMARY KEY (height, position),
  UNIQUE (txid, event_index)
) STRICT;

CREATE INDEX chain_events_odd ON chain_events (odd) WHERE odd = 1;

CREATE TRIGGER chain_events_settled_are_never_deleted
BEFORE DELETE ON chain_events
WHEN OLD.height <= (SELECT settled FROM chain_state)
BEGIN
  SELECT RAISE(ABORT, 'a settled event is never deleted');
END;

CREATE TRIGGER chain_events_settled_never_change
BEFORE UPDATE ON chain_events
WHEN OLD.height <= (SELECT settled FROM chain_state)
BEGIN
  SELECT RAISE(ABORT, 'a settled event never changes');
END;

-- Wh by holder, and what producers owe after reversals (contract energy-token).
CREATE TABLE mirror_holders (
  holder TEXT PRIMARY KEY CHECK (length(holder) BETWEEN 1 AND 190),
  balance INTEGER NOT NULL CHECK (balance >= 0),
  debt INTEGER NOT NULL CHECK (debt >= 0)
) STRICT;

-- One row: Wh ever minted and burned, and the number of the last trade that was opened.
CREATE TABLE mirror_totals (
  id INTEGER PRIMARY KEY CHECK (id = 1),
  minted INTEGER NOT NULL CHECK (minted >= 0),
  burned INTEGER NOT NULL CHECK (burned BETWEEN 0 AND minted),
  trades INTEGER NOT NULL CHECK (trades >= 0)
) STRICT;

INSERT INTO mirror_totals (id, minted, burned, trades) VALUES (1, 0, 0, 0);

-- Open trades (contract trade-escrow). Offers, quantities and amounts are other people's
-- numbers of up to 128 bits, in decimal digits; asset is NULL for STX.
CREATE TABLE mirror_trades (
  trade INTEGER PRIMARY KEY CHECK (trade > 0),
  offer TEXT NOT NULL,
  buyer TEXT NOT NULL,
  seller TEXT NOT NULL,
  asset TEXT,
  quantity TEXT NOT NULL,
  amount TEXT NOT NULL
) STRICT;

-- What open trades hold together; asset is '' for STX.
CREATE TABLE mirror_held (
  asset TEXT PRIMARY KEY,
  amount TEXT NOT NULL
) STRICT;

-- The anchored checkpoints in order (contract energy-oracle).
CREATE TABLE mirror_anchors (
  number INTEGER PRIMARY KEY CHECK (number >= 0),
  size INTEGER NOT NULL UNIQUE CHECK (size > 0),
  root BLOB NOT NULL CHECK (length(root) = 32),
  txid TEXT NOT NULL CHECK (length(txid) = 64),
  height INTEGER NOT NULL CHECK (height > 0)
) STRICT;
