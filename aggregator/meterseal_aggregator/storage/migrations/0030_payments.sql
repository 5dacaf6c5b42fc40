-- Money that came in or went out in the world outside, as operators recorded it. amount is
-- in micro-units of the asset; member_id is whose account it is, NULL for a purse of the
-- community. actor is the token that recorded it, as in the trail of operators.
CREATE TABLE payments (
  id INTEGER PRIMARY KEY CHECK (id > 0),
  account TEXT NOT NULL CHECK (length(account) BETWEEN 1 AND 64),
  member_id INTEGER REFERENCES members (id),
  direction TEXT NOT NULL CHECK (direction IN ('in', 'out')),
  amount INTEGER NOT NULL CHECK (amount > 0),
  asset TEXT NOT NULL,
  way TEXT NOT NULL CHECK (way IN ('cash', 'bank', 'mobile')),
  reference TEXT NOT NULL CHECK (length(reference) BETWEEN 1 AND 64),
  actor TEXT NOT NULL CHECK (length(actor) BETWEEN 1 AND 64),
  request_key TEXT NOT NULL UNIQUE CHECK (length(request_key) BETWEEN 1 AND 64),
  recorded_at INTEGER NOT NULL,
  CHECK (member_id IS NULL OR account = 'user:' || member_id)
) STRICT;

-- One receipt, one payment, however it is spelled.
CREATE UNIQUE INDEX payments_once ON payments (way, upper(reference));
CREATE INDEX payments_by_member ON payments (member_id, id) WHERE member_id IS NOT NULL;

CREATE TRIGGER payments_are_never_changed
BEFORE UPDATE ON payments
BEGIN
  SELECT RAISE(ABORT, 'a payment is never changed; record the opposite one');
END;

CREATE TRIGGER payments_are_never_deleted
BEFORE DELETE ON payments
BEGIN
  SELECT RAISE(ABORT, 'a payment is never deleted');
END;
