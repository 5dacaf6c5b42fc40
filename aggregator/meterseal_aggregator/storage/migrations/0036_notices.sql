-- What members and operators are told outside the API, and where each wants to be told.

-- A member's language. Where he is reached is beside it: personal, and emptied by erasure.
CREATE TABLE notice_languages (
  member_id INTEGER PRIMARY KEY REFERENCES members (id),
  language TEXT NOT NULL CHECK (length(language) BETWEEN 2 AND 8)
) STRICT;

CREATE TABLE notice_addresses (
  member_id INTEGER NOT NULL REFERENCES members (id),
  way TEXT NOT NULL CHECK (way IN ('email', 'sms', 'webhook', 'file')),
  address TEXT NOT NULL CHECK (length(address) BETWEEN 1 AND 500),
  secret BLOB NOT NULL CHECK (length(secret) IN (0, 32)),
  kinds TEXT NOT NULL CHECK (length(kinds) BETWEEN 1 AND 200),
  changed_at INTEGER NOT NULL,
  PRIMARY KEY (member_id, way)
) STRICT, WITHOUT ROWID;

-- How far what happens has been looked through for notices.
CREATE TABLE notice_cursors (
  source TEXT PRIMARY KEY CHECK (length(source) BETWEEN 1 AND 32),
  position INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- One row a notice and way; no row holds an address or a text. member_id is NULL for the
-- operator. A row that waits is sent again from next_at on; attempts are counted before.
CREATE TABLE notices (
  id INTEGER PRIMARY KEY CHECK (id > 0),
  member_id INTEGER REFERENCES members (id),
  way TEXT NOT NULL CHECK (way IN ('email', 'sms', 'webhook', 'file')),
  kind TEXT NOT NULL CHECK (length(kind) BETWEEN 1 AND 32),
  about TEXT NOT NULL CHECK (length(about) BETWEEN 1 AND 120),
  event_id INTEGER REFERENCES member_events (id),
  made_at INTEGER NOT NULL,
  state TEXT NOT NULL CHECK (state IN ('waiting', 'sent', 'given-up', 'moot')),
  attempts INTEGER NOT NULL DEFAULT 0 CHECK (attempts >= 0),
  next_at INTEGER NOT NULL,
  ended_at INTEGER,
  error TEXT NOT NULL DEFAULT '' CHECK (length(error) <= 200),
  CHECK ((state = 'waiting') = (ended_at IS NULL))
) STRICT;

CREATE UNIQUE INDEX notices_once ON notices (kind, about, coalesce(member_id, 0), way);
CREATE INDEX notices_waiting ON notices (next_at) WHERE state = 'waiting';
CREATE INDEX notices_given_up ON notices (id) WHERE state = 'given-up';

CREATE TRIGGER notices_are_never_deleted
BEFORE DELETE ON notices
BEGIN
  SELECT RAISE(ABORT, 'a notice is never deleted');
END;

-- What audits found, for who watches from outside: the last row is how things stand.
CREATE TABLE audits (
  id INTEGER PRIMARY KEY CHECK (id > 0),
  at INTEGER NOT NULL,
  findings INTEGER NOT NULL CHECK (findings >= 0),
  failing INTEGER NOT NULL CHECK (failing BETWEEN 0 AND findings)
) STRICT;
