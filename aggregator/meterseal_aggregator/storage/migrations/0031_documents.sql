-- Meter documents: what became of each that a member sent. Its text is not kept, nor the
-- file. Rows may be deleted when a member is erased: that a meter's document counted once
-- is known from its trust event. Energy in Wh a month, change in 1/10,000.
CREATE TABLE meter_documents (
  id INTEGER PRIMARY KEY CHECK (id > 0),
  meter_id INTEGER NOT NULL REFERENCES meters (id),
  member_id INTEGER NOT NULL REFERENCES members (id),
  sha256 BLOB NOT NULL CHECK (length(sha256) = 32),
  sent_at INTEGER NOT NULL,
  verdict TEXT NOT NULL CHECK (verdict IN
    ('reading', 'good', 'fair', 'far', 'spent', 'no-figure', 'unreadable')),
  source TEXT CHECK (source IN ('member', 'rule', 'model')),
  monthly_wh INTEGER CHECK (monthly_wh > 0),
  declared_wh INTEGER CHECK (declared_wh > 0),
  change INTEGER NOT NULL DEFAULT 0 CHECK (change BETWEEN 0 AND 10000),
  CHECK ((verdict IN ('good', 'fair', 'far')) =
    (source IS NOT NULL AND monthly_wh IS NOT NULL AND declared_wh IS NOT NULL)),
  CHECK (change = 0 OR verdict IN ('good', 'fair'))
) STRICT;

CREATE INDEX meter_documents_by_member ON meter_documents (member_id, id);
CREATE INDEX meter_documents_by_day ON meter_documents (member_id, sent_at);

-- A meter's document counts once, and one document counts for one meter.
CREATE UNIQUE INDEX meter_documents_once_a_meter ON meter_documents (meter_id)
WHERE verdict IN ('good', 'fair');
CREATE UNIQUE INDEX meter_documents_once ON meter_documents (sha256)
WHERE verdict IN ('good', 'fair');

CREATE TRIGGER meter_documents_are_answered_once
BEFORE UPDATE ON meter_documents
WHEN OLD.verdict <> 'reading' OR NEW.verdict = 'reading' OR NEW.id <> OLD.id
  OR NEW.meter_id <> OLD.meter_id OR NEW.member_id <> OLD.member_id
  OR NEW.sha256 <> OLD.sha256 OR NEW.sent_at <> OLD.sent_at
BEGIN
  SELECT RAISE(ABORT, 'a document is answered once');
END;
