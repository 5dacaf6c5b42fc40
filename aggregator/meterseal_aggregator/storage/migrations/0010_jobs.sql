-- Leases: who runs a background duty, until when. turn counts the changes of hands.

CREATE TABLE job_leases (
  name TEXT PRIMARY KEY CHECK (length(name) BETWEEN 1 AND 64),
  owner TEXT NOT NULL CHECK (length(owner) BETWEEN 1 AND 64),
  until INTEGER NOT NULL,
  turn INTEGER NOT NULL CHECK (turn > 0)
) STRICT, WITHOUT ROWID;
