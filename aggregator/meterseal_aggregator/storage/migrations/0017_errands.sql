-- What goes between us and private meters beside seals: bills that are asked for, tariffs
-- that agents were told of, and seeds of which a device was told that they are kept.

-- why, said_at and signature are a device's no (its reason's number and the seal key's
-- signature); not_taken the cause for which a bill it sent was not taken. Asked anew, a
-- request has neither. sent_at is when the agent was last asked.
CREATE TABLE bill_requests (
  id INTEGER PRIMARY KEY CHECK (id > 0),
  register_id INTEGER NOT NULL REFERENCES registers (id),
  from_at INTEGER NOT NULL CHECK (from_at >= 0),
  to_at INTEGER NOT NULL CHECK (from_at < to_at),
  tariff BLOB NOT NULL REFERENCES tariffs (hash),
  asked_at INTEGER NOT NULL,
  sent_at INTEGER,
  why INTEGER CHECK (why > 0),
  said_at INTEGER,
  signature BLOB CHECK (length(signature) = 64),
  not_taken TEXT,
  bill_id INTEGER REFERENCES private_bills (id),
  UNIQUE (register_id, from_at, to_at, tariff),
  CHECK ((why IS NULL) = (signature IS NULL) AND (why IS NULL) = (said_at IS NULL))
) STRICT;

CREATE INDEX bill_requests_open ON bill_requests (id) WHERE bill_id IS NULL AND why IS NULL;

CREATE TRIGGER bill_requests_are_never_deleted
BEFORE DELETE ON bill_requests
BEGIN
  SELECT RAISE(ABORT, 'what was asked of a device stays known');
END;

CREATE TRIGGER bill_requests_keep_what_was_asked
BEFORE UPDATE ON bill_requests
WHEN NEW.id <> OLD.id OR NEW.register_id <> OLD.register_id OR NEW.from_at <> OLD.from_at
  OR NEW.to_at <> OLD.to_at OR NEW.tariff <> OLD.tariff OR NEW.bill_id IS NOT OLD.bill_id
  AND OLD.bill_id IS NOT NULL
BEGIN
  SELECT RAISE(ABORT, 'a request keeps what was asked, and its bill');
END;

-- told_at is when the agent was last sent a tariff, known_at when it said that it keeps it.
CREATE TABLE tariffs_told (
  agent TEXT NOT NULL CHECK (length(agent) BETWEEN 1 AND 64),
  tariff BLOB NOT NULL REFERENCES tariffs (hash),
  told_at INTEGER NOT NULL,
  known_at INTEGER,
  PRIMARY KEY (agent, tariff)
) STRICT, WITHOUT ROWID;

-- A meter whose seeds came, the last time at heard_at, and when its agent was told after
-- that that all three trustees keep them.
CREATE TABLE seeds_heard (
  meter_id INTEGER PRIMARY KEY REFERENCES meters (id),
  heard_at INTEGER NOT NULL,
  told_at INTEGER
) STRICT;

CREATE INDEX seeds_heard_untold ON seeds_heard (meter_id) WHERE told_at IS NULL;
