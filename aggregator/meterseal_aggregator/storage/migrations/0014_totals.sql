-- What a community used together: cells fixed for a quarter, one reporting set a cell and
-- day, and the totals that two of three trustees let be known. A register is in one cell a
-- quarter and a day in one set for ever, or the difference of two totals would open a home.

CREATE TABLE cell_members (
  quarter INTEGER NOT NULL CHECK (quarter > 0),
  register_id INTEGER NOT NULL REFERENCES registers (id),
  cell TEXT NOT NULL CHECK (length(cell) BETWEEN 1 AND 64),
  fixed_at INTEGER NOT NULL,
  PRIMARY KEY (quarter, register_id)
) STRICT, WITHOUT ROWID;

CREATE INDEX cell_members_by_cell ON cell_members (cell, quarter);

CREATE TRIGGER cell_members_are_never_changed
BEFORE UPDATE ON cell_members
BEGIN
  SELECT RAISE(ABORT, 'a cell is fixed for its quarter');
END;

CREATE TRIGGER cell_members_are_never_deleted
BEFORE DELETE ON cell_members
BEGIN
  SELECT RAISE(ABORT, 'a cell is fixed for its quarter');
END;

-- statement is what the trustees sign; day counts days since 1970 in the network's zone.
CREATE TABLE reporting_sets (
  id INTEGER PRIMARY KEY CHECK (id = log_entry_id),
  cell TEXT NOT NULL,
  day INTEGER NOT NULL CHECK (day >= 0),
  statement BLOB NOT NULL CHECK (length(statement) = 32),
  fixed_at INTEGER NOT NULL,
  log_entry_id INTEGER NOT NULL REFERENCES log_entries (id),
  UNIQUE (cell, day)
) STRICT;

CREATE TRIGGER reporting_sets_are_never_changed
BEFORE UPDATE ON reporting_sets
BEGIN
  SELECT RAISE(ABORT, 'a reporting set is fixed once');
END;

CREATE TRIGGER reporting_sets_are_never_deleted
BEFORE DELETE ON reporting_sets
BEGIN
  SELECT RAISE(ABORT, 'a reporting set is never deleted');
END;

CREATE TABLE set_members (
  seal_id INTEGER PRIMARY KEY REFERENCES committed_seals (id),
  set_id INTEGER NOT NULL REFERENCES reporting_sets (id)
) STRICT;

CREATE INDEX set_members_by_set ON set_members (set_id);

CREATE TRIGGER set_members_are_never_changed
BEFORE UPDATE ON set_members
BEGIN
  SELECT RAISE(ABORT, 'a day is in one set for ever');
END;

CREATE TRIGGER set_members_are_never_deleted
BEFORE DELETE ON set_members
BEGIN
  SELECT RAISE(ABORT, 'a day is in one set for ever');
END;

-- U and Z of a set, which anybody can check: sum C = U V + Z B.
CREATE TABLE totals (
  set_id INTEGER PRIMARY KEY REFERENCES reporting_sets (id),
  value INTEGER NOT NULL CHECK (value >= 0),
  blinding BLOB NOT NULL CHECK (length(blinding) = 32),
  proved_at INTEGER NOT NULL
) STRICT;

CREATE TRIGGER totals_are_never_changed
BEFORE UPDATE ON totals
BEGIN
  SELECT RAISE(ABORT, 'a total is proved once');
END;

CREATE TRIGGER masked_openings_are_never_changed
BEFORE UPDATE ON masked_openings
BEGIN
  SELECT RAISE(ABORT, 'a masked opening is never changed');
END;

CREATE TRIGGER backups_are_never_changed
BEFORE UPDATE ON backups
BEGIN
  SELECT RAISE(ABORT, 'a backup is never changed');
END;
