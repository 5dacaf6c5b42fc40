-- Settlement: which slots were looked at by which run, and how far feeding in has come.

-- A slot once it was settled whole, of all its trades, by `run`. mocked: a demo's mock
-- verified it, no meter; its energy is in no account. A slot without anything that a
-- correction could change has run 3 at once.
CREATE TABLE settled_slots (
  meter_point_id INTEGER NOT NULL REFERENCES meter_points (id),
  start INTEGER NOT NULL CHECK (start >= 0),
  length INTEGER NOT NULL CHECK (length IN (900, 1800, 3600)),
  seller_id INTEGER NOT NULL REFERENCES members (id),
  mocked INTEGER NOT NULL CHECK (mocked IN (0, 1)),
  run INTEGER NOT NULL CHECK (run BETWEEN 1 AND 3),
  PRIMARY KEY (meter_point_id, start)
) STRICT, WITHOUT ROWID;

CREATE INDEX settled_slots_by_run ON settled_slots (run, start) WHERE run < 3;
CREATE INDEX settled_slots_by_seller ON settled_slots (seller_id, start, meter_point_id);

CREATE TRIGGER settled_slots_only_go_on
BEFORE UPDATE ON settled_slots
WHEN NEW.meter_point_id <> OLD.meter_point_id OR NEW.start <> OLD.start
  OR NEW.length <> OLD.length OR NEW.seller_id <> OLD.seller_id
  OR NEW.mocked <> OLD.mocked OR NEW.run <= OLD.run
BEGIN
  SELECT RAISE(ABORT, 'a slot is settled run by run');
END;

CREATE TRIGGER settled_slots_are_never_deleted
BEFORE DELETE ON settled_slots
BEGIN
  SELECT RAISE(ABORT, 'a settled slot stays settled');
END;

-- Up to where a producer's credits at a meter point were looked through for what he feeds in.
CREATE TABLE feed_in_marks (
  meter_point_id INTEGER NOT NULL REFERENCES meter_points (id),
  member_id INTEGER NOT NULL REFERENCES members (id),
  through INTEGER NOT NULL,
  PRIMARY KEY (meter_point_id, member_id)
) STRICT, WITHOUT ROWID;

CREATE TRIGGER feed_in_marks_only_go_forward
BEFORE UPDATE ON feed_in_marks
WHEN NEW.through < OLD.through OR NEW.meter_point_id <> OLD.meter_point_id
  OR NEW.member_id <> OLD.member_id
BEGIN
  SELECT RAISE(ABORT, 'what was looked through is not looked through again');
END;

CREATE TRIGGER feed_in_marks_are_never_deleted
BEFORE DELETE ON feed_in_marks
BEGIN
  SELECT RAISE(ABORT, 'a mark is never deleted');
END;

-- Orders that wait for their slots: those all of whose trades have ended are closed.
CREATE INDEX orders_confirmed ON orders (id) WHERE state = 'confirmed';
