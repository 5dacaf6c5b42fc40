-- What is charged to whom: tariffs by the day they begin, and supplies.

-- A tariff some of whose figures are the network's parameters: whenever one changes, the next
-- version is made from it.
CREATE TABLE tariff_templates (
  hash BLOB PRIMARY KEY CHECK (length(hash) = 32),
  code TEXT NOT NULL CHECK (length(code) BETWEEN 1 AND 64),
  document BLOB NOT NULL CHECK (length(document) BETWEEN 2 AND 262144),
  recorded_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TRIGGER tariff_templates_are_never_changed
BEFORE UPDATE ON tariff_templates
BEGIN
  SELECT RAISE(ABORT, 'a template is never changed, it is followed by another');
END;

CREATE TRIGGER tariff_templates_are_never_deleted
BEFORE DELETE ON tariff_templates
BEGIN
  SELECT RAISE(ABORT, 'a template is never deleted');
END;

-- A tariff in full (rating's document), published in the log (entry type 2). Versions of a
-- code follow one another: each holds from valid_from to the next one's.
CREATE TABLE full_tariffs (
  hash BLOB PRIMARY KEY CHECK (length(hash) = 32),
  code TEXT NOT NULL CHECK (length(code) BETWEEN 1 AND 64),
  valid_from INTEGER NOT NULL CHECK (valid_from >= 0),
  valid_to INTEGER CHECK (valid_to > valid_from),
  asset TEXT NOT NULL CHECK (length(asset) BETWEEN 2 AND 12),
  document BLOB NOT NULL CHECK (length(document) BETWEEN 2 AND 262144),
  recorded_at INTEGER NOT NULL,
  log_entry_id INTEGER NOT NULL UNIQUE REFERENCES log_entries (id),
  template_hash BLOB REFERENCES tariff_templates (hash),
  UNIQUE (code, valid_from)
) STRICT, WITHOUT ROWID;

CREATE TRIGGER full_tariffs_only_end
BEFORE UPDATE ON full_tariffs
WHEN OLD.valid_to IS NOT NULL OR NEW.hash <> OLD.hash OR NEW.code <> OLD.code
  OR NEW.valid_from <> OLD.valid_from OR NEW.document <> OLD.document
BEGIN
  SELECT RAISE(ABORT, 'a tariff is never changed, it is followed by another');
END;

CREATE TRIGGER full_tariffs_are_never_deleted
BEFORE DELETE ON full_tariffs
BEGIN
  SELECT RAISE(ABORT, 'a tariff is never deleted');
END;

-- A supply: a member is billed for a meter point, by a tariff code, from when to when.
-- prepaid: usage is charged to a balance as it is known instead of by a bill to be paid.
CREATE TABLE supplies (
  id INTEGER PRIMARY KEY CHECK (id > 0),
  member_id INTEGER NOT NULL REFERENCES members (id),
  meter_point_id INTEGER NOT NULL REFERENCES meter_points (id),
  tariff_code TEXT NOT NULL CHECK (length(tariff_code) BETWEEN 1 AND 64),
  rail TEXT NOT NULL DEFAULT 'ledger' CHECK (rail IN ('ledger', 'stacks')),
  prepaid INTEGER NOT NULL DEFAULT 0 CHECK (prepaid IN (0, 1)),
  from_at INTEGER NOT NULL CHECK (from_at >= 0),
  to_at INTEGER CHECK (to_at > from_at),
  billed_to INTEGER NOT NULL,
  CHECK (billed_to >= from_at AND (to_at IS NULL OR billed_to <= to_at))
) STRICT;

CREATE INDEX supplies_by_point ON supplies (meter_point_id, from_at);
CREATE INDEX supplies_by_member ON supplies (member_id, from_at);
CREATE INDEX supplies_to_bill ON supplies (billed_to) WHERE to_at IS NULL OR billed_to < to_at;

CREATE TRIGGER supplies_do_not_overlap
BEFORE INSERT ON supplies
WHEN EXISTS (
  SELECT 1 FROM supplies WHERE meter_point_id = NEW.meter_point_id
  AND from_at < coalesce(NEW.to_at, 9223372036854775807)
  AND NEW.from_at < coalesce(to_at, 9223372036854775807))
BEGIN
  SELECT RAISE(ABORT, 'overlap: the meter point is supplied to somebody in that time');
END;

CREATE TRIGGER supplies_lie_within_a_tenancy
BEFORE INSERT ON supplies
WHEN NOT EXISTS (
  SELECT 1 FROM tenancies WHERE meter_point_id = NEW.meter_point_id
  AND member_id = NEW.member_id AND from_at <= NEW.from_at
  AND coalesce(to_at, 9223372036854775807) >= coalesce(NEW.to_at, 9223372036854775807))
BEGIN
  SELECT RAISE(ABORT, 'tenancy: a supply lies within its member''s time at the meter point');
END;

CREATE TRIGGER tenancies_outlast_their_supplies
BEFORE UPDATE ON tenancies
WHEN NEW.to_at IS NOT NULL AND EXISTS (
  SELECT 1 FROM supplies WHERE meter_point_id = NEW.meter_point_id
  AND member_id = NEW.member_id AND from_at >= NEW.from_at
  AND from_at < coalesce(OLD.to_at, 9223372036854775807)
  AND coalesce(to_at, 9223372036854775807) > NEW.to_at)
BEGIN
  SELECT RAISE(ABORT, 'supply: end what is supplied before the tenancy');
END;

CREATE TRIGGER supplies_keep_their_terms
BEFORE UPDATE ON supplies
WHEN NEW.id <> OLD.id OR NEW.member_id <> OLD.member_id
  OR NEW.meter_point_id <> OLD.meter_point_id OR NEW.tariff_code <> OLD.tariff_code
  OR NEW.rail <> OLD.rail OR NEW.prepaid <> OLD.prepaid OR NEW.from_at <> OLD.from_at
  OR (OLD.to_at IS NOT NULL AND NEW.to_at IS NOT OLD.to_at) OR NEW.billed_to < OLD.billed_to
BEGIN
  SELECT RAISE(ABORT, 'a supply keeps its terms, ends once and is billed forward');
END;

CREATE TRIGGER supplies_are_never_deleted
BEFORE DELETE ON supplies
BEGIN
  SELECT RAISE(ABORT, 'a supply is never deleted');
END;
