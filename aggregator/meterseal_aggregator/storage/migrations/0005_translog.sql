-- The transparency log: entries as they came, the index each was given, the tree in tiles
-- of 256 hashes (C2SP tlog-tiles), and the signed checkpoints. Everything only grows.

CREATE TABLE log_entries (
  id INTEGER PRIMARY KEY CHECK (id > 0),
  leaf_hash BLOB NOT NULL CHECK (length(leaf_hash) = 32),
  body BLOB NOT NULL CHECK (length(body) BETWEEN 2 AND 65535)
) STRICT;

CREATE TRIGGER log_entries_are_never_changed
BEFORE UPDATE ON log_entries
BEGIN
  SELECT RAISE(ABORT, 'a log entry is never changed');
END;

CREATE TRIGGER log_entries_are_never_deleted
BEFORE DELETE ON log_entries
BEGIN
  SELECT RAISE(ABORT, 'a log entry is never deleted');
END;

CREATE TABLE log_index (
  idx INTEGER PRIMARY KEY CHECK (idx >= 0),
  entry_id INTEGER NOT NULL UNIQUE REFERENCES log_entries (id)
) STRICT;

CREATE TRIGGER log_index_has_no_gap
BEFORE INSERT ON log_index
WHEN NEW.idx <> (SELECT coalesce(max(idx) + 1, 0) FROM log_index)
BEGIN
  SELECT RAISE(ABORT, 'log indices are given without a gap');
END;

CREATE TRIGGER log_index_is_never_changed
BEFORE UPDATE ON log_index
BEGIN
  SELECT RAISE(ABORT, 'a log index is never changed');
END;

CREATE TRIGGER log_index_is_never_deleted
BEFORE DELETE ON log_index
BEGIN
  SELECT RAISE(ABORT, 'a log index is never deleted');
END;

-- The digest is SHA-256 of the hashes: a tile is compared with it whenever it is read.
CREATE TABLE log_tiles (
  level INTEGER NOT NULL CHECK (level BETWEEN 0 AND 7),
  idx INTEGER NOT NULL CHECK (idx >= 0),
  hashes BLOB NOT NULL CHECK (length(hashes) BETWEEN 32 AND 8192 AND length(hashes) % 32 = 0),
  digest BLOB NOT NULL CHECK (length(digest) = 32),
  PRIMARY KEY (level, idx)
) STRICT;

CREATE TRIGGER log_tiles_only_grow
BEFORE UPDATE ON log_tiles
WHEN NEW.level <> OLD.level OR NEW.idx <> OLD.idx
  OR substr(NEW.hashes, 1, length(OLD.hashes)) <> OLD.hashes
BEGIN
  SELECT RAISE(ABORT, 'a tile only grows at its end');
END;

CREATE TRIGGER log_tiles_are_never_deleted
BEFORE DELETE ON log_tiles
BEGIN
  SELECT RAISE(ABORT, 'a tile is never deleted');
END;

CREATE TABLE checkpoints (
  size INTEGER PRIMARY KEY CHECK (size >= 0),
  root BLOB NOT NULL CHECK (length(root) = 32),
  note TEXT NOT NULL,
  signed_at INTEGER NOT NULL
) STRICT;

CREATE TRIGGER checkpoints_only_grow
BEFORE INSERT ON checkpoints
WHEN EXISTS (SELECT 1 FROM checkpoints WHERE size >= NEW.size)
BEGIN
  SELECT RAISE(ABORT, 'a checkpoint may only grow');
END;

CREATE TRIGGER checkpoints_are_never_changed
BEFORE UPDATE ON checkpoints
BEGIN
  SELECT RAISE(ABORT, 'a checkpoint is never changed');
END;

CREATE TRIGGER checkpoints_are_never_deleted
BEFORE DELETE ON checkpoints
BEGIN
  SELECT RAISE(ABORT, 'a checkpoint is never deleted');
END;
