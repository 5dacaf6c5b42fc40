-- How bills are found that are due, or that something known later touches.

CREATE INDEX supplies_ended ON supplies (to_at) WHERE billed_to < to_at;

CREATE INDEX trades_by_buyer_and_start ON trades (buyer_id, start)
WHERE state IN ('held', 'settled');

-- A first version is known before a bill that stands on it; a bill is looked at again for
-- the later ones.
CREATE INDEX usage_days_known ON usage_days (known_at) WHERE version > 1;

-- How far those have been looked at: whole seconds of known_at.
CREATE TABLE correction_marks (
  id INTEGER PRIMARY KEY CHECK (id = 1),
  looked_to INTEGER NOT NULL
) STRICT;

INSERT INTO correction_marks (id, looked_to) VALUES (1, 0);

CREATE INDEX bill_standings_to_look_at ON bill_standings (bill_id) WHERE looked_to = 0;
