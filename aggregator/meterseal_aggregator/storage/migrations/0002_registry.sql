-- Who may sign for which meter, when: meter point > meter > key, each with from and to.
-- Spans are half-open; to_at or to_seq NULL means still open and is closed once. Times
-- are the network's Unix seconds, except those of codes and certificates, which are real.

-- A name is 120 characters, with a meter's serial number behind it up to 187. The points
-- of a home change hands together: home_id is the home's first point, NULL there.
CREATE TABLE meter_points (
  id INTEGER PRIMARY KEY CHECK (id > 0),
  name TEXT NOT NULL UNIQUE CHECK (length(name) BETWEEN 1 AND 187),
  home_id INTEGER REFERENCES meter_points (id),
  created_at INTEGER NOT NULL
) STRICT;

CREATE INDEX meter_points_by_home ON meter_points (home_id);

CREATE TRIGGER meter_points_stay_in_their_home
BEFORE UPDATE ON meter_points
WHEN NEW.id <> OLD.id OR NEW.home_id IS NOT OLD.home_id
BEGIN
  SELECT RAISE(ABORT, 'a meter point stays in its home');
END;

CREATE TRIGGER meter_points_are_never_deleted
BEFORE DELETE ON meter_points
BEGIN
  SELECT RAISE(ABORT, 'a meter point is never deleted');
END;

CREATE TABLE tenancies (
  id INTEGER PRIMARY KEY CHECK (id > 0),
  member_id INTEGER NOT NULL REFERENCES members (id),
  meter_point_id INTEGER NOT NULL REFERENCES meter_points (id),
  from_at INTEGER NOT NULL CHECK (from_at >= 0),
  to_at INTEGER CHECK (to_at > from_at)
) STRICT;

CREATE INDEX tenancies_by_point ON tenancies (meter_point_id, from_at);
CREATE INDEX tenancies_by_member ON tenancies (member_id, from_at);

CREATE TRIGGER tenancies_do_not_overlap
BEFORE INSERT ON tenancies
WHEN EXISTS (
  SELECT 1 FROM tenancies WHERE meter_point_id = NEW.meter_point_id
  AND from_at < coalesce(NEW.to_at, 9223372036854775807)
  AND NEW.from_at < coalesce(to_at, 9223372036854775807))
BEGIN
  SELECT RAISE(ABORT, 'overlap: the meter point has another tenant in that time');
END;

CREATE TRIGGER tenancies_only_end
BEFORE UPDATE ON tenancies
WHEN OLD.to_at IS NOT NULL OR NEW.id <> OLD.id OR NEW.member_id <> OLD.member_id
  OR NEW.meter_point_id <> OLD.meter_point_id OR NEW.from_at <> OLD.from_at
BEGIN
  SELECT RAISE(ABORT, 'a tenancy may only end, once');
END;

CREATE TRIGGER tenancies_are_never_deleted
BEFORE DELETE ON tenancies
BEGIN
  SELECT RAISE(ABORT, 'a tenancy is never deleted');
END;

CREATE TABLE certifications (
  id INTEGER PRIMARY KEY CHECK (id > 0),
  meter_point_id INTEGER NOT NULL REFERENCES meter_points (id),
  capacity_w INTEGER NOT NULL CHECK (capacity_w > 0),
  from_at INTEGER NOT NULL CHECK (from_at >= 0),
  to_at INTEGER CHECK (to_at > from_at)
) STRICT;

CREATE INDEX certifications_by_point ON certifications (meter_point_id, from_at);

CREATE TRIGGER certifications_do_not_overlap
BEFORE INSERT ON certifications
WHEN EXISTS (
  SELECT 1 FROM certifications WHERE meter_point_id = NEW.meter_point_id
  AND from_at < coalesce(NEW.to_at, 9223372036854775807)
  AND NEW.from_at < coalesce(to_at, 9223372036854775807))
BEGIN
  SELECT RAISE(ABORT, 'overlap: the meter point is certified already in that time');
END;

CREATE TRIGGER certifications_only_end
BEFORE UPDATE ON certifications
WHEN OLD.to_at IS NOT NULL OR NEW.id <> OLD.id OR NEW.capacity_w <> OLD.capacity_w
  OR NEW.meter_point_id <> OLD.meter_point_id OR NEW.from_at <> OLD.from_at
BEGIN
  SELECT RAISE(ABORT, 'a certification may only end, once');
END;

CREATE TRIGGER certifications_are_never_deleted
BEFORE DELETE ON certifications
BEGIN
  SELECT RAISE(ABORT, 'a certification is never deleted');
END;

CREATE TABLE meters (
  id INTEGER PRIMARY KEY CHECK (id > 0),
  meter BLOB NOT NULL UNIQUE CHECK (length(meter) = 16),
  serial TEXT NOT NULL CHECK (length(serial) BETWEEN 1 AND 64),
  profile TEXT NOT NULL CHECK (length(profile) BETWEEN 1 AND 64),
  agent TEXT NOT NULL CHECK (length(agent) BETWEEN 1 AND 64),
  enrolled_at INTEGER NOT NULL,
  removed_at INTEGER
) STRICT;

-- One physical meter enrolled twice would mint its energy twice.
CREATE UNIQUE INDEX meters_in_service ON meters (profile, serial) WHERE removed_at IS NULL;
CREATE INDEX meters_by_agent ON meters (agent);

CREATE TRIGGER meters_keep_their_name
BEFORE UPDATE ON meters
WHEN NEW.id <> OLD.id OR NEW.meter <> OLD.meter OR NEW.serial <> OLD.serial
  OR NEW.profile <> OLD.profile OR OLD.removed_at IS NOT NULL
BEGIN
  SELECT RAISE(ABORT, 'a meter keeps its name, and is removed once');
END;

CREATE TRIGGER meters_are_never_deleted
BEFORE DELETE ON meters
BEGIN
  SELECT RAISE(ABORT, 'a meter is never deleted');
END;

CREATE TABLE installations (
  id INTEGER PRIMARY KEY CHECK (id > 0),
  meter_id INTEGER NOT NULL REFERENCES meters (id),
  meter_point_id INTEGER NOT NULL REFERENCES meter_points (id),
  from_at INTEGER NOT NULL CHECK (from_at >= 0),
  to_at INTEGER CHECK (to_at > from_at)
) STRICT;

CREATE INDEX installations_by_meter ON installations (meter_id, from_at);
CREATE INDEX installations_by_point ON installations (meter_point_id, from_at);

CREATE TRIGGER installations_do_not_overlap
BEFORE INSERT ON installations
WHEN EXISTS (
  SELECT 1 FROM installations WHERE meter_id = NEW.meter_id
  AND from_at < coalesce(NEW.to_at, 9223372036854775807)
  AND NEW.from_at < coalesce(to_at, 9223372036854775807))
BEGIN
  SELECT RAISE(ABORT, 'overlap: the meter is installed elsewhere in that time');
END;

-- What is minted is named by the meter point: two meters there would mint a slot twice.
CREATE TRIGGER installations_are_one_at_a_point
BEFORE INSERT ON installations
WHEN EXISTS (
  SELECT 1 FROM installations WHERE meter_point_id = NEW.meter_point_id
  AND from_at < coalesce(NEW.to_at, 9223372036854775807)
  AND NEW.from_at < coalesce(to_at, 9223372036854775807))
BEGIN
  SELECT RAISE(ABORT, 'overlap: the meter point has another meter in that time');
END;

CREATE TRIGGER installations_only_end
BEFORE UPDATE ON installations
WHEN OLD.to_at IS NOT NULL OR NEW.id <> OLD.id OR NEW.meter_id <> OLD.meter_id
  OR NEW.meter_point_id <> OLD.meter_point_id OR NEW.from_at <> OLD.from_at
BEGIN
  SELECT RAISE(ABORT, 'an installation may only end, once');
END;

CREATE TRIGGER installations_are_never_deleted
BEFORE DELETE ON installations
BEGIN
  SELECT RAISE(ABORT, 'an installation is never deleted');
END;

CREATE TABLE registers (
  id INTEGER PRIMARY KEY CHECK (id > 0),
  meter_id INTEGER NOT NULL REFERENCES meters (id),
  register INTEGER NOT NULL CHECK (register BETWEEN 0 AND 281474976710655),
  step INTEGER NOT NULL CHECK (step IN (300, 900, 1800, 3600)),
  capacity_w INTEGER NOT NULL CHECK (capacity_w > 0),
  initial_value INTEGER NOT NULL CHECK (initial_value >= 0),
  initial_at INTEGER NOT NULL CHECK (initial_at >= 0 AND initial_at % step = 0),
  enrolment_hash BLOB NOT NULL UNIQUE CHECK (length(enrolment_hash) = 32),
  UNIQUE (meter_id, register)
) STRICT;

CREATE TRIGGER registers_are_never_changed
BEFORE UPDATE ON registers
BEGIN
  SELECT RAISE(ABORT, 'a register is never changed');
END;

CREATE TRIGGER registers_are_never_deleted
BEFORE DELETE ON registers
BEGIN
  SELECT RAISE(ABORT, 'a register is never deleted');
END;

CREATE TABLE meter_keys (
  id INTEGER PRIMARY KEY CHECK (id > 0),
  meter_id INTEGER NOT NULL REFERENCES meters (id),
  algorithm TEXT NOT NULL CHECK (algorithm IN ('secp256k1', 'p256')),
  public BLOB NOT NULL CHECK (length(public) = 33),
  enrolled_at INTEGER NOT NULL,
  UNIQUE (meter_id, public)
) STRICT;

CREATE TRIGGER meter_keys_are_never_changed
BEFORE UPDATE ON meter_keys
BEGIN
  SELECT RAISE(ABORT, 'a meter key is never changed');
END;

CREATE TRIGGER meter_keys_are_never_deleted
BEFORE DELETE ON meter_keys
BEGIN
  SELECT RAISE(ABORT, 'a meter key is never deleted');
END;

-- A key seals a register from from_seq to to_seq, both included. to_seq is from_seq - 1
-- where a key ended before it could seal anything: such a span is empty. A span that has
-- an end may still end earlier: a revocation cuts also what a rotation let go on.
CREATE TABLE key_spans (
  id INTEGER PRIMARY KEY CHECK (id > 0),
  key_id INTEGER NOT NULL REFERENCES meter_keys (id),
  register_id INTEGER NOT NULL REFERENCES registers (id),
  from_seq INTEGER NOT NULL CHECK (from_seq > 0),
  to_seq INTEGER CHECK (to_seq >= from_seq - 1),
  ended_by TEXT CHECK (ended_by IN ('rotation', 'replacement', 'revocation')),
  log_entry_id INTEGER NOT NULL UNIQUE,
  CHECK ((to_seq IS NULL) = (ended_by IS NULL))
) STRICT;

CREATE UNIQUE INDEX key_spans_open ON key_spans (register_id) WHERE to_seq IS NULL;
CREATE INDEX key_spans_by_register ON key_spans (register_id, from_seq);

CREATE TRIGGER key_spans_do_not_overlap
BEFORE INSERT ON key_spans
WHEN EXISTS (
  SELECT 1 FROM key_spans WHERE register_id = NEW.register_id
  AND (to_seq IS NULL OR to_seq >= from_seq)
  AND NEW.from_seq <= coalesce(to_seq, 9223372036854775807))
BEGIN
  SELECT RAISE(ABORT, 'overlap: another key seals these sequence numbers');
END;

CREATE TRIGGER key_spans_only_end
BEFORE UPDATE ON key_spans
WHEN (OLD.to_seq IS NOT NULL AND (NEW.to_seq IS NULL OR NEW.to_seq >= OLD.to_seq))
  OR NEW.id <> OLD.id OR NEW.key_id <> OLD.key_id
  OR NEW.register_id <> OLD.register_id OR NEW.from_seq <> OLD.from_seq
  OR NEW.log_entry_id <> OLD.log_entry_id
BEGIN
  SELECT RAISE(ABORT, 'the span of a key may only end, or end earlier');
END;

CREATE TRIGGER key_spans_are_never_deleted
BEFORE DELETE ON key_spans
BEGIN
  SELECT RAISE(ABORT, 'the span of a key is never deleted');
END;

-- Each time a meter's key changed hands after its enrolment: at the network's second at,
-- at the real second real_at.
CREATE TABLE rekeyings (
  id INTEGER PRIMARY KEY CHECK (id > 0),
  meter_id INTEGER NOT NULL REFERENCES meters (id),
  kind TEXT NOT NULL CHECK (kind IN ('rotation', 'replacement')),
  at INTEGER NOT NULL,
  real_at INTEGER NOT NULL
) STRICT;

CREATE INDEX rekeyings_by_meter ON rekeyings (meter_id, kind, at);

CREATE TRIGGER rekeyings_are_never_changed
BEFORE UPDATE ON rekeyings
BEGIN
  SELECT RAISE(ABORT, 'a rekeying is never changed');
END;

CREATE TRIGGER rekeyings_are_never_deleted
BEFORE DELETE ON rekeyings
BEGIN
  SELECT RAISE(ABORT, 'a rekeying is never deleted');
END;

CREATE TABLE enrolment_codes (
  id INTEGER PRIMARY KEY CHECK (id > 0),
  digest BLOB NOT NULL UNIQUE CHECK (length(digest) = 32),
  kind TEXT NOT NULL CHECK (kind IN ('enrolment', 'replacement')),
  agent TEXT NOT NULL CHECK (length(agent) BETWEEN 1 AND 64),
  meter_point_id INTEGER NOT NULL REFERENCES meter_points (id),
  capacity_w INTEGER NOT NULL CHECK (capacity_w > 0),
  created_at INTEGER NOT NULL,
  expires_at INTEGER NOT NULL CHECK (expires_at > created_at)
) STRICT;

CREATE TRIGGER enrolment_codes_are_never_changed
BEFORE UPDATE ON enrolment_codes
BEGIN
  SELECT RAISE(ABORT, 'an enrolment code is never changed');
END;

CREATE TABLE enrolments (
  id INTEGER PRIMARY KEY CHECK (id > 0),
  code_id INTEGER NOT NULL UNIQUE REFERENCES enrolment_codes (id),
  agent TEXT NOT NULL CHECK (length(agent) BETWEEN 1 AND 64),
  request_digest BLOB NOT NULL CHECK (length(request_digest) = 32),
  answer TEXT NOT NULL,
  enrolled_at INTEGER NOT NULL
) STRICT;

CREATE INDEX enrolments_by_agent ON enrolments (agent);

CREATE TRIGGER enrolments_are_never_changed
BEFORE UPDATE ON enrolments
BEGIN
  SELECT RAISE(ABORT, 'an enrolment is never changed');
END;

CREATE TRIGGER enrolments_are_never_deleted
BEFORE DELETE ON enrolments
BEGIN
  SELECT RAISE(ABORT, 'an enrolment is never deleted');
END;
