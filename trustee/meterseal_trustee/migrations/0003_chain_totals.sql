-- Totals that this trustee signed for the chain: one a set, because one number opens a sum.

CREATE TABLE chain_totals (
  cell TEXT NOT NULL,
  day INTEGER NOT NULL,
  usage INTEGER NOT NULL CHECK (usage >= 0),
  signature BLOB NOT NULL CHECK (length(signature) = 65),
  PRIMARY KEY (cell, day),
  FOREIGN KEY (cell, day) REFERENCES sets (cell, day)
) STRICT;

CREATE TRIGGER chain_totals_no_update
BEFORE UPDATE ON chain_totals
BEGIN
  SELECT RAISE(ABORT, 'a trustee keeps what it said: chain_totals only grows');
END;

CREATE TRIGGER chain_totals_no_delete
BEFORE DELETE ON chain_totals
BEGIN
  SELECT RAISE(ABORT, 'a trustee keeps what it said: chain_totals only grows');
END;
