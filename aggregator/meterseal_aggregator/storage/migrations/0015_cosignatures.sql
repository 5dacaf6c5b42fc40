-- What witnesses say of checkpoints (C2SP tlog-cosignature): one row a witness and checkpoint,
-- with the witness's name and Ed25519 key. raw is a u64 of seconds and the signature.

CREATE TABLE cosignatures (
  size INTEGER NOT NULL REFERENCES checkpoints (size),
  name TEXT NOT NULL CHECK (length(name) BETWEEN 1 AND 255),
  public BLOB NOT NULL CHECK (length(public) = 32),
  raw BLOB NOT NULL CHECK (length(raw) = 72),
  PRIMARY KEY (size, name, public)
) STRICT, WITHOUT ROWID;

CREATE INDEX cosignatures_by_witness ON cosignatures (name, public, size);

CREATE TRIGGER cosignatures_are_never_changed
BEFORE UPDATE ON cosignatures
BEGIN
  SELECT RAISE(ABORT, 'a cosignature is never changed');
END;

CREATE TRIGGER cosignatures_are_never_deleted
BEFORE DELETE ON cosignatures
BEGIN
  SELECT RAISE(ABORT, 'a cosignature is never deleted');
END;
