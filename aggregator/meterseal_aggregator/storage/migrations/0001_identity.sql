-- Who is known and what they may: members, bearer tokens (only their SHA-256), and the
-- trail of what operators did. Times of credentials are real Unix seconds.

CREATE TABLE members (
  id INTEGER PRIMARY KEY CHECK (id > 0),
  name TEXT NOT NULL UNIQUE CHECK (length(name) BETWEEN 1 AND 120),
  created_at INTEGER NOT NULL
) STRICT;

CREATE TRIGGER members_are_never_deleted
BEFORE DELETE ON members
BEGIN
  SELECT RAISE(ABORT, 'a member is never deleted, books refer to it');
END;

CREATE TABLE tokens (
  id INTEGER PRIMARY KEY CHECK (id > 0),
  digest BLOB NOT NULL UNIQUE CHECK (length(digest) = 32),
  prefix TEXT NOT NULL CHECK (length(prefix) BETWEEN 4 AND 16),
  role TEXT NOT NULL CHECK (role IN ('operator', 'member', 'auditor', 'metrics')),
  member_id INTEGER REFERENCES members (id),
  label TEXT NOT NULL CHECK (length(label) BETWEEN 1 AND 120),
  created_at INTEGER NOT NULL,
  expires_at INTEGER NOT NULL,
  revoked_at INTEGER,
  CHECK ((role = 'member') = (member_id IS NOT NULL)),
  CHECK (expires_at > created_at)
) STRICT;

CREATE TRIGGER tokens_only_end
BEFORE UPDATE ON tokens
WHEN OLD.revoked_at IS NOT NULL OR NEW.id <> OLD.id OR NEW.digest <> OLD.digest
  OR NEW.role <> OLD.role OR NEW.member_id IS NOT OLD.member_id
  OR NEW.expires_at > OLD.expires_at
BEGIN
  SELECT RAISE(ABORT, 'a token may only be revoked, once');
END;

CREATE TRIGGER tokens_are_never_deleted
BEFORE DELETE ON tokens
BEGIN
  SELECT RAISE(ABORT, 'a token is never deleted');
END;

CREATE TABLE operator_acts (
  id INTEGER PRIMARY KEY CHECK (id > 0),
  at INTEGER NOT NULL,
  actor TEXT NOT NULL CHECK (length(actor) BETWEEN 1 AND 120),
  act TEXT NOT NULL CHECK (length(act) BETWEEN 1 AND 64),
  object TEXT NOT NULL CHECK (length(object) BETWEEN 1 AND 200)
) STRICT;

CREATE TRIGGER operator_acts_are_never_changed
BEFORE UPDATE ON operator_acts
BEGIN
  SELECT RAISE(ABORT, 'the trail of operator acts is never changed');
END;

CREATE TRIGGER operator_acts_are_never_deleted
BEFORE DELETE ON operator_acts
BEGIN
  SELECT RAISE(ABORT, 'the trail of operator acts is never deleted');
END;
