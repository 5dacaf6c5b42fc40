-- The ledger while somebody disputes, and the assets of money. An entry may freeze an
-- account or a hold: 0 nothing, 1 the debited account, 2 the credited one, 3 both, 4 the
-- hold named in frozen_id. The code before this migration enters no freezes, and these
-- triggers keep it from touching what is frozen.

ALTER TABLE ledger_transfers
ADD COLUMN freezes INTEGER NOT NULL DEFAULT 0
CHECK (freezes = 0 OR (freezes BETWEEN 1 AND 4 AND phase = 1 AND amount = 0));
ALTER TABLE ledger_transfers
ADD COLUMN frozen_id BLOB REFERENCES ledger_transfers (id)
CHECK ((frozen_id IS NULL) = (freezes <> 4));

-- One row for each account or hold that ever was frozen: how many freezes stand on it, and
-- when one last ended. Only the triggers below write here.
CREATE TABLE ledger_frozen_accounts (
  account_id INTEGER PRIMARY KEY REFERENCES ledger_accounts (id),
  frozen INTEGER NOT NULL CHECK (frozen >= 0),
  thawed_at INTEGER NOT NULL
) STRICT;

CREATE TABLE ledger_frozen_holds (
  hold_id BLOB PRIMARY KEY REFERENCES ledger_transfers (id),
  frozen INTEGER NOT NULL CHECK (frozen >= 0),
  thawed_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- What ends a freeze may touch what is frozen, and only a VOID (3) or EXPIRE (4) ends one.
-- One trigger for all of it, because each costs every transfer two microseconds.
CREATE TRIGGER ledger_transfers_freeze_and_thaw
AFTER INSERT ON ledger_transfers
WHEN NEW.freezes <> 0
  OR EXISTS (SELECT 1 FROM ledger_frozen_accounts
    WHERE account_id IN (NEW.debit_id, NEW.credit_id) AND frozen > 0)
  OR (NEW.phase > 1 AND EXISTS (SELECT 1 FROM ledger_frozen_holds
    WHERE hold_id = NEW.pending_id AND frozen > 0))
  OR (NEW.phase > 1 AND EXISTS (SELECT 1 FROM ledger_transfers
    WHERE id = NEW.pending_id AND freezes <> 0))
BEGIN
  SELECT RAISE(ABORT, 'what is frozen is not touched, and a freeze is never posted')
  WHERE NEW.freezes = 0 AND (NEW.phase < 3 OR NOT EXISTS (
    SELECT 1 FROM ledger_transfers WHERE id = NEW.pending_id AND freezes <> 0));
  INSERT INTO ledger_frozen_accounts (account_id, frozen, thawed_at)
  SELECT NEW.debit_id, 1, 0 WHERE NEW.freezes IN (1, 3)
  ON CONFLICT (account_id) DO UPDATE SET frozen = frozen + 1;
  INSERT INTO ledger_frozen_accounts (account_id, frozen, thawed_at)
  SELECT NEW.credit_id, 1, 0 WHERE NEW.freezes IN (2, 3)
  ON CONFLICT (account_id) DO UPDATE SET frozen = frozen + 1;
  INSERT INTO ledger_frozen_holds (hold_id, frozen, thawed_at)
  SELECT NEW.frozen_id, 1, 0 WHERE NEW.freezes = 4
  ON CONFLICT (hold_id) DO UPDATE SET frozen = frozen + 1;
  UPDATE ledger_frozen_accounts SET frozen = frozen - 1, thawed_at = NEW.recorded_at
  WHERE account_id IN (
    SELECT debit_id FROM ledger_transfers WHERE id = NEW.pending_id AND freezes IN (1, 3)
    UNION ALL
    SELECT credit_id FROM ledger_transfers WHERE id = NEW.pending_id AND freezes IN (2, 3));
  UPDATE ledger_frozen_holds SET frozen = frozen - 1, thawed_at = NEW.recorded_at
  WHERE hold_id = (
    SELECT frozen_id FROM ledger_transfers WHERE id = NEW.pending_id AND freezes = 4);
END;

CREATE TRIGGER ledger_frozen_accounts_change_by_one
BEFORE UPDATE ON ledger_frozen_accounts
WHEN NEW.account_id <> OLD.account_id OR abs(NEW.frozen - OLD.frozen) <> 1
BEGIN
  SELECT RAISE(ABORT, 'freezes begin and end one by one');
END;

CREATE TRIGGER ledger_frozen_accounts_are_never_deleted
BEFORE DELETE ON ledger_frozen_accounts
BEGIN
  SELECT RAISE(ABORT, 'a freeze is ended by an entry');
END;

CREATE TRIGGER ledger_frozen_holds_change_by_one
BEFORE UPDATE ON ledger_frozen_holds
WHEN NEW.hold_id <> OLD.hold_id OR abs(NEW.frozen - OLD.frozen) <> 1
BEGIN
  SELECT RAISE(ABORT, 'freezes begin and end one by one');
END;

CREATE TRIGGER ledger_frozen_holds_are_never_deleted
BEFORE DELETE ON ledger_frozen_holds
BEGIN
  SELECT RAISE(ABORT, 'a freeze is ended by an entry');
END;

-- The assets of money the network has named; energy is always there.
CREATE TABLE ledger_assets (
  asset TEXT PRIMARY KEY CHECK (length(asset) BETWEEN 2 AND 12 AND asset NOT GLOB '*[^A-Z0-9]*'),
  declared_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TRIGGER ledger_assets_are_never_changed
BEFORE UPDATE ON ledger_assets
BEGIN
  SELECT RAISE(ABORT, 'an asset stays what it is');
END;

CREATE TRIGGER ledger_assets_are_never_deleted
BEFORE DELETE ON ledger_assets
BEGIN
  SELECT RAISE(ABORT, 'an asset stays what it is');
END;

CREATE TRIGGER ledger_accounts_are_of_a_known_asset
BEFORE INSERT ON ledger_accounts
WHEN NEW.asset <> 'wh' AND NOT EXISTS (SELECT 1 FROM ledger_assets WHERE asset = NEW.asset)
BEGIN
  SELECT RAISE(ABORT, 'the network has not named this asset');
END;
