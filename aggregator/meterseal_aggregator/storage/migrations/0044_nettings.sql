-- What private meters' devices are asked to net: Wh that neighbours delivered, slot by slot of
-- committed days, and what a device proved of it.

-- One request a register and period: asked once, for a device answers of a slot once and for
-- ever. The bill waits for it until waits_until. not_taken is the cause for which an answer
-- was not taken, consent the seal key's signature over the one that was.
CREATE TABLE netting_requests (
  id INTEGER PRIMARY KEY CHECK (id > 0),
  register_id INTEGER NOT NULL REFERENCES registers (id),
  from_at INTEGER NOT NULL CHECK (from_at >= 0),
  to_at INTEGER NOT NULL CHECK (from_at < to_at),
  asked_at INTEGER NOT NULL,
  waits_until INTEGER NOT NULL CHECK (waits_until >= asked_at),
  sent_at INTEGER,
  not_taken TEXT,
  answered_at INTEGER,
  consent BLOB CHECK (length(consent) = 64),
  UNIQUE (register_id, from_at, to_at),
  CHECK ((answered_at IS NULL) = (consent IS NULL))
) STRICT;

-- Whom to ask: those that were never answered and whose time is over are left behind.
CREATE INDEX netting_requests_open ON netting_requests (waits_until) WHERE answered_at IS NULL;

CREATE TRIGGER netting_requests_keep_what_was_asked
BEFORE UPDATE ON netting_requests
WHEN NEW.id <> OLD.id OR NEW.register_id <> OLD.register_id OR NEW.from_at <> OLD.from_at
  OR NEW.to_at <> OLD.to_at OR NEW.asked_at <> OLD.asked_at
  OR NEW.waits_until <> OLD.waits_until
  OR (OLD.answered_at IS NOT NULL
    AND (NEW.answered_at IS NOT OLD.answered_at OR NEW.consent IS NOT OLD.consent))
BEGIN
  SELECT RAISE(ABORT, 'a netting is asked for once, and answered once');
END;

CREATE TRIGGER netting_requests_are_never_deleted
BEFORE DELETE ON netting_requests
BEGIN
  SELECT RAISE(ABORT, 'what a device was asked to net stays known');
END;

-- The Wh that are asked about, by their slot of a committed day, and the market's slot they
-- were traded in. netted: the device proved that the slot used no less.
CREATE TABLE netting_slots (
  request_id INTEGER NOT NULL REFERENCES netting_requests (id),
  seal_id INTEGER NOT NULL REFERENCES committed_seals (id),
  place INTEGER NOT NULL CHECK (place BETWEEN 0 AND 99),
  wh INTEGER NOT NULL CHECK (wh > 0),
  start INTEGER NOT NULL,
  length INTEGER NOT NULL CHECK (length > 0),
  netted INTEGER NOT NULL DEFAULT 0 CHECK (netted IN (0, 1)),
  PRIMARY KEY (request_id, seal_id, place)
) STRICT, WITHOUT ROWID;

CREATE TRIGGER netting_slots_keep_what_was_asked
BEFORE UPDATE ON netting_slots
WHEN NEW.request_id <> OLD.request_id OR NEW.seal_id <> OLD.seal_id
  OR NEW.place <> OLD.place OR NEW.wh <> OLD.wh OR NEW.start <> OLD.start
  OR NEW.length <> OLD.length OR OLD.netted = 1
  OR EXISTS (SELECT 1 FROM netting_requests q
    WHERE q.id = OLD.request_id AND q.answered_at IS NOT NULL)
BEGIN
  SELECT RAISE(ABORT, 'a slot keeps what was asked of it, and its answer');
END;

CREATE TRIGGER netting_slots_are_never_deleted
BEFORE DELETE ON netting_slots
BEGIN
  SELECT RAISE(ABORT, 'what a device was asked to net stays known');
END;

-- A range proof a day over what its netted slots have left.
CREATE TABLE netting_proofs (
  request_id INTEGER NOT NULL REFERENCES netting_requests (id),
  seal_id INTEGER NOT NULL REFERENCES committed_seals (id),
  proof BLOB NOT NULL,
  PRIMARY KEY (request_id, seal_id)
) STRICT, WITHOUT ROWID;

CREATE TRIGGER netting_proofs_are_never_changed
BEFORE UPDATE ON netting_proofs
BEGIN
  SELECT RAISE(ABORT, 'a proof is never changed');
END;

CREATE TRIGGER netting_proofs_are_never_deleted
BEFORE DELETE ON netting_proofs
BEGIN
  SELECT RAISE(ABORT, 'a proof is never deleted');
END;
