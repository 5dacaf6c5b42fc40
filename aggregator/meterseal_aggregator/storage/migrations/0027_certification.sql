-- Who asked to be a certified producer, who decided, and why. A row of certifications is a
-- certificate: from and to at a meter point, of member_id only, or of whoever holds the
-- point where an operator gave it (NULL). An application's state is what its last act
-- leaves. What was certified before stays in force, with acts written for it here; the
-- code before this migration still certifies, without an application.

CREATE TABLE certifiers (
  id INTEGER PRIMARY KEY CHECK (id > 0),
  member_id INTEGER NOT NULL REFERENCES members (id),
  level INTEGER NOT NULL CHECK (level BETWEEN 1 AND 3),
  from_at INTEGER NOT NULL CHECK (from_at >= 0),
  to_at INTEGER CHECK (to_at >= from_at)
) STRICT;

CREATE UNIQUE INDEX certifiers_in_force ON certifiers (member_id) WHERE to_at IS NULL;

CREATE TRIGGER certifiers_only_end
BEFORE UPDATE ON certifiers
WHEN OLD.to_at IS NOT NULL OR NEW.id <> OLD.id OR NEW.member_id <> OLD.member_id
  OR NEW.level <> OLD.level OR NEW.from_at <> OLD.from_at
BEGIN
  SELECT RAISE(ABORT, 'an authorisation may only end, once');
END;

CREATE TRIGGER certifiers_are_never_deleted
BEFORE DELETE ON certifiers
BEGIN
  SELECT RAISE(ABORT, 'an authorisation is never deleted');
END;

CREATE TABLE certification_applications (
  id INTEGER PRIMARY KEY CHECK (id > 0),
  member_id INTEGER REFERENCES members (id),
  meter_point_id INTEGER NOT NULL REFERENCES meter_points (id),
  capacity_w INTEGER NOT NULL CHECK (capacity_w > 0),
  monthly_production_wh INTEGER CHECK (monthly_production_wh > 0),
  source TEXT CHECK (source IN ('solar', 'wind', 'hydro', 'biomass', 'geothermal')),
  fee_micro INTEGER NOT NULL CHECK (fee_micro >= 0),
  request_key TEXT CHECK (length(request_key) BETWEEN 1 AND 64),
  applied_at INTEGER NOT NULL CHECK (applied_at >= 0),
  CHECK ((member_id IS NULL) = (monthly_production_wh IS NULL)),
  CHECK ((member_id IS NULL) = (source IS NULL)),
  CHECK ((member_id IS NULL) = (request_key IS NULL)),
  UNIQUE (member_id, request_key)
) STRICT;

CREATE INDEX certification_applications_by_point
ON certification_applications (meter_point_id);

CREATE TRIGGER certification_applications_are_never_changed
BEFORE UPDATE ON certification_applications
BEGIN
  SELECT RAISE(ABORT, 'an application is never changed');
END;

CREATE TRIGGER certification_applications_are_never_deleted
BEFORE DELETE ON certification_applications
BEGIN
  SELECT RAISE(ABORT, 'an application is never deleted');
END;

CREATE TABLE certification_acts (
  id INTEGER PRIMARY KEY CHECK (id > 0),
  application_id INTEGER NOT NULL REFERENCES certification_applications (id),
  number INTEGER NOT NULL CHECK (number > 0),
  act TEXT NOT NULL
    CHECK (act IN ('apply', 'grant', 'approve', 'refuse', 'revoke', 'replace')),
  actor TEXT NOT NULL CHECK (length(actor) BETWEEN 1 AND 120),
  level INTEGER CHECK (level BETWEEN 1 AND 3),
  effective_at INTEGER CHECK (effective_at >= 0),
  reason TEXT CHECK (length(reason) BETWEEN 1 AND 200),
  at INTEGER NOT NULL CHECK (at >= 0),
  CHECK ((effective_at IS NULL) = (act IN ('apply', 'refuse'))),
  CHECK (act NOT IN ('refuse', 'revoke') OR reason IS NOT NULL),
  UNIQUE (application_id, number)
) STRICT;

CREATE TRIGGER certification_acts_follow_each_other
BEFORE INSERT ON certification_acts
WHEN NOT CASE coalesce((SELECT act FROM certification_acts
    WHERE application_id = NEW.application_id ORDER BY number DESC LIMIT 1), '')
  WHEN '' THEN NEW.act IN ('apply', 'grant') AND NEW.number = 1
  WHEN 'apply' THEN NEW.act IN ('approve', 'refuse') AND NEW.number = 2
  WHEN 'grant' THEN NEW.act IN ('revoke', 'replace') AND NEW.number = 2
  WHEN 'approve' THEN NEW.act IN ('revoke', 'replace') AND NEW.number = 3
  ELSE 0 END
BEGIN
  SELECT RAISE(ABORT, 'an application cannot go there from where it is');
END;

CREATE TRIGGER certification_acts_are_never_changed
BEFORE UPDATE ON certification_acts
BEGIN
  SELECT RAISE(ABORT, 'the trail of certification is never changed');
END;

CREATE TRIGGER certification_acts_are_never_deleted
BEFORE DELETE ON certification_acts
BEGIN
  SELECT RAISE(ABORT, 'the trail of certification is never deleted');
END;

DROP TRIGGER certifications_only_end;

ALTER TABLE certifications
ADD COLUMN application_id INTEGER REFERENCES certification_applications (id);
ALTER TABLE certifications ADD COLUMN member_id INTEGER REFERENCES members (id);

INSERT INTO certification_applications (id, meter_point_id, capacity_w, fee_micro, applied_at)
SELECT id, meter_point_id, capacity_w, 0, from_at FROM certifications;
UPDATE certifications SET application_id = id;
INSERT INTO certification_acts (application_id, number, act, actor, effective_at, at)
SELECT id, 1, 'grant', 'migration', from_at, from_at FROM certifications ORDER BY id;
INSERT INTO certification_acts (application_id, number, act, actor, effective_at, reason, at)
SELECT id, 2, 'revoke', 'migration', to_at, 'ended before reasons were asked for', to_at
FROM certifications WHERE to_at IS NOT NULL ORDER BY id;

CREATE UNIQUE INDEX certifications_by_application
ON certifications (application_id) WHERE application_id IS NOT NULL;
CREATE INDEX certifications_by_member ON certifications (member_id) WHERE member_id IS NOT NULL;

CREATE TRIGGER certifications_only_end
BEFORE UPDATE ON certifications
WHEN OLD.to_at IS NOT NULL OR NEW.id <> OLD.id OR NEW.capacity_w <> OLD.capacity_w
  OR NEW.meter_point_id <> OLD.meter_point_id OR NEW.from_at <> OLD.from_at
  OR NEW.application_id IS NOT OLD.application_id OR NEW.member_id IS NOT OLD.member_id
BEGIN
  SELECT RAISE(ABORT, 'a certification may only end, once');
END;

-- What was minted under a certificate stays under it. No credit is longer than 3600 s.
CREATE TRIGGER certifications_hold_what_was_minted
BEFORE UPDATE ON certifications
WHEN NEW.to_at IS NOT NULL AND EXISTS (
  SELECT 1 FROM installations i JOIN registers g ON g.meter_id = i.meter_id
  JOIN credits c ON c.register_id = g.id
  WHERE i.meter_point_id = NEW.meter_point_id AND c.meter_point_id = NEW.meter_point_id
  AND c.start > NEW.to_at - 3600 AND c.start >= NEW.from_at
  AND c.start + c.length > NEW.to_at)
BEGIN
  SELECT RAISE(ABORT, 'minted: a certificate ends after what was minted under it');
END;

CREATE TRIGGER certifications_are_what_was_decided
BEFORE INSERT ON certifications
WHEN NEW.application_id IS NOT NULL AND NOT EXISTS (
  SELECT 1 FROM certification_applications a JOIN certification_acts d
  ON d.application_id = a.id AND d.act IN ('grant', 'approve')
  WHERE a.id = NEW.application_id AND a.meter_point_id = NEW.meter_point_id
  AND a.capacity_w = NEW.capacity_w AND a.member_id IS NEW.member_id
  AND d.effective_at = NEW.from_at)
BEGIN
  SELECT RAISE(ABORT, 'nobody decided on this certificate');
END;

CREATE TRIGGER credits_are_of_certified_producers
BEFORE INSERT ON credits
WHEN NOT EXISTS (
  SELECT 1 FROM certifications c WHERE c.meter_point_id = NEW.meter_point_id
  AND c.from_at <= NEW.start
  AND (c.to_at IS NULL OR c.to_at >= NEW.start + NEW.length)
  AND (c.member_id IS NULL OR c.member_id = NEW.member_id))
BEGIN
  SELECT RAISE(ABORT, 'no certificate was in force when this was made');
END;
