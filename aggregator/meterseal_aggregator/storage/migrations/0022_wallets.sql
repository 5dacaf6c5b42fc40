-- Whose accounts on the chain are whose: challenges given out, and what was linked by them.
-- Times are real Unix seconds, as those of tokens.

-- Given out for `principal`; answered once, or forgotten after it expired.
CREATE TABLE wallet_challenges (
  nonce BLOB PRIMARY KEY CHECK (length(nonce) = 32),
  member_id INTEGER NOT NULL REFERENCES members (id),
  principal TEXT NOT NULL CHECK (length(principal) BETWEEN 30 AND 60),
  made_at INTEGER NOT NULL,
  expires_at INTEGER NOT NULL CHECK (expires_at > made_at),
  answered_at INTEGER CHECK (answered_at >= made_at)
) STRICT, WITHOUT ROWID;

CREATE INDEX wallet_challenges_open ON wallet_challenges (member_id, expires_at)
WHERE answered_at IS NULL;

CREATE TRIGGER wallet_challenges_are_answered_once
BEFORE UPDATE ON wallet_challenges
WHEN OLD.answered_at IS NOT NULL OR NEW.nonce <> OLD.nonce
  OR NEW.member_id <> OLD.member_id OR NEW.principal <> OLD.principal
  OR NEW.made_at <> OLD.made_at OR NEW.expires_at <> OLD.expires_at
BEGIN
  SELECT RAISE(ABORT, 'a challenge keeps what was asked, and is answered once');
END;

CREATE TRIGGER wallet_challenges_answered_are_kept
BEFORE DELETE ON wallet_challenges
WHEN OLD.answered_at IS NOT NULL
BEGIN
  SELECT RAISE(ABORT, 'a challenge that was answered stays known');
END;

-- A member's account from from_at until to_at (NULL: still), with the signature that proves
-- it: nonce, member, principal and time of the challenge are all that was signed.
CREATE TABLE wallets (
  id INTEGER PRIMARY KEY CHECK (id > 0),
  member_id INTEGER NOT NULL REFERENCES members (id),
  principal TEXT NOT NULL CHECK (length(principal) BETWEEN 30 AND 60),
  nonce BLOB NOT NULL UNIQUE REFERENCES wallet_challenges (nonce),
  signature BLOB NOT NULL CHECK (length(signature) = 65),
  from_at INTEGER NOT NULL,
  to_at INTEGER CHECK (to_at >= from_at)
) STRICT;

CREATE UNIQUE INDEX wallets_have_one_member ON wallets (principal) WHERE to_at IS NULL;
CREATE INDEX wallets_of_members ON wallets (member_id, id);

CREATE TRIGGER wallets_only_end
BEFORE UPDATE ON wallets
WHEN OLD.to_at IS NOT NULL OR NEW.id <> OLD.id OR NEW.member_id <> OLD.member_id
  OR NEW.principal <> OLD.principal OR NEW.nonce <> OLD.nonce
  OR NEW.signature <> OLD.signature OR NEW.from_at <> OLD.from_at
BEGIN
  SELECT RAISE(ABORT, 'a link may only end, once');
END;

CREATE TRIGGER wallets_are_never_deleted
BEFORE DELETE ON wallets
BEGIN
  SELECT RAISE(ABORT, 'a link is never deleted');
END;
