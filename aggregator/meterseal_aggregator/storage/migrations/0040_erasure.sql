-- Erasing a member: asked for and confirmed by operators, done in one transaction, and gone
-- from the file once it was written anew (scrubbed). Times are real Unix seconds.

CREATE TABLE erasures (
  member_id INTEGER PRIMARY KEY REFERENCES members (id),
  why TEXT NOT NULL CHECK (why IN ('asked', 'moved-out', 'deceased', 'ordered')),
  actor TEXT NOT NULL CHECK (length(actor) BETWEEN 1 AND 120),
  code BLOB NOT NULL CHECK (length(code) = 32),
  asked_at INTEGER NOT NULL,
  expires_at INTEGER NOT NULL CHECK (expires_at > asked_at),
  done_at INTEGER,
  done_by TEXT CHECK (length(done_by) BETWEEN 1 AND 120),
  scrubbed_at INTEGER,
  CHECK ((done_at IS NULL) = (done_by IS NULL)),
  CHECK (scrubbed_at IS NULL OR done_at IS NOT NULL)
) STRICT;

CREATE INDEX erasures_to_scrub ON erasures (done_at) WHERE scrubbed_at IS NULL;

CREATE TRIGGER erasures_are_done_once
BEFORE UPDATE ON erasures
WHEN NEW.member_id <> OLD.member_id OR (OLD.done_at IS NOT NULL
  AND (NEW.done_at IS NOT OLD.done_at OR NEW.code <> OLD.code OR NEW.why <> OLD.why
    OR NEW.actor <> OLD.actor OR OLD.scrubbed_at IS NOT NULL))
BEGIN
  SELECT RAISE(ABORT, 'a member is erased once');
END;

CREATE TRIGGER erasures_are_never_deleted
BEFORE DELETE ON erasures
BEGIN
  SELECT RAISE(ABORT, 'who was erased stays erased');
END;

-- Who is being erased: a row is here only within the transaction that erases. What follows
-- lets that transaction, and no other, take texts and links out of rows that never change.
CREATE TABLE erasing (
  member_id INTEGER PRIMARY KEY REFERENCES members (id)
) STRICT;

DROP TRIGGER tokens_only_end;

CREATE TRIGGER tokens_only_end
BEFORE UPDATE ON tokens
WHEN NEW.id <> OLD.id OR NEW.digest <> OLD.digest
  OR NEW.role <> OLD.role OR NEW.member_id IS NOT OLD.member_id
  OR NEW.expires_at > OLD.expires_at
  OR (OLD.revoked_at IS NOT NULL AND (NEW.revoked_at IS NOT OLD.revoked_at
    OR NOT EXISTS (SELECT 1 FROM erasing)))
BEGIN
  SELECT RAISE(ABORT, 'a token may only be revoked, once');
END;

DROP TRIGGER wallets_are_never_deleted;

CREATE TRIGGER wallets_are_never_deleted
BEFORE DELETE ON wallets
WHEN NOT EXISTS (SELECT 1 FROM erasing WHERE member_id = OLD.member_id)
BEGIN
  SELECT RAISE(ABORT, 'a link is never deleted');
END;

DROP TRIGGER wallet_challenges_answered_are_kept;

CREATE TRIGGER wallet_challenges_answered_are_kept
BEFORE DELETE ON wallet_challenges
WHEN OLD.answered_at IS NOT NULL
  AND NOT EXISTS (SELECT 1 FROM erasing WHERE member_id = OLD.member_id)
BEGIN
  SELECT RAISE(ABORT, 'a challenge that was answered stays known');
END;

DROP TRIGGER certification_acts_are_never_changed;

CREATE TRIGGER certification_acts_are_never_changed
BEFORE UPDATE ON certification_acts
WHEN NOT EXISTS (SELECT 1 FROM erasing) OR NEW.id <> OLD.id
  OR NEW.application_id <> OLD.application_id OR NEW.number <> OLD.number
  OR NEW.act <> OLD.act OR NEW.actor <> OLD.actor OR NEW.at <> OLD.at
  OR NEW.effective_at IS NOT OLD.effective_at OR NEW.level IS NOT OLD.level
BEGIN
  SELECT RAISE(ABORT, 'the trail of certification is never changed');
END;

DROP TRIGGER vee_values_are_never_changed;

CREATE TRIGGER vee_values_are_never_changed
BEFORE UPDATE ON vee_values
WHEN NOT EXISTS (SELECT 1 FROM erasing) OR NEW.id <> OLD.id
  OR NEW.register_id <> OLD.register_id OR NEW.start <> OLD.start
  OR NEW.length <> OLD.length OR NEW.delta <> OLD.delta OR NEW.quality <> OLD.quality
  OR NEW.source <> OLD.source OR NEW.method <> OLD.method OR NEW.author <> OLD.author
  OR NEW.known_at <> OLD.known_at OR NEW.log_entry_id IS NOT OLD.log_entry_id
BEGIN
  SELECT RAISE(ABORT, 'a value is never changed, a later one takes its place');
END;

DROP TRIGGER quarantine_is_never_changed;

CREATE TRIGGER quarantine_is_never_changed
BEFORE UPDATE ON quarantine
WHEN NOT EXISTS (SELECT 1 FROM erasing) OR NEW.id <> OLD.id
  OR NEW.register_id IS NOT OLD.register_id OR NEW.agent <> OLD.agent
  OR NEW.seq IS NOT OLD.seq OR NEW.chained <> OLD.chained OR NEW.reason <> OLD.reason
  OR NEW.hash <> OLD.hash OR NEW.received_at <> OLD.received_at
BEGIN
  SELECT RAISE(ABORT, 'evidence is never changed');
END;

DROP TRIGGER bill_acts_are_never_changed;

CREATE TRIGGER bill_acts_are_never_changed
BEFORE UPDATE ON bill_acts
WHEN NOT EXISTS (SELECT 1 FROM erasing) OR NEW.id <> OLD.id OR NEW.bill_id <> OLD.bill_id
  OR NEW.act <> OLD.act OR NEW.amount <> OLD.amount OR NEW.at <> OLD.at
  OR NEW.actor <> OLD.actor
BEGIN
  SELECT RAISE(ABORT, 'what was done to a bill is never changed');
END;
