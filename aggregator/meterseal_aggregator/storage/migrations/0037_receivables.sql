-- What members owe and pay: payments of bills, quotes, plans of instalments, late fees,
-- rewards, prepaid supplies and devices that take OpenPAYGO tokens. Amounts in micro-units.

-- What an operator said a payment is for: the balance, or bills (one by its number, else
-- the oldest first). NULL for those recorded before.
ALTER TABLE payments ADD COLUMN towards TEXT CHECK (towards IN ('balance', 'bills'));
ALTER TABLE payments ADD COLUMN bill TEXT CHECK (length(bill) BETWEEN 1 AND 32);

-- Figures are summed over what is open, and over what was issued in some months.
CREATE INDEX bill_standings_open ON bill_standings (bill_id)
WHERE state IN ('issued', 'part-paid', 'overdue');
CREATE INDEX bills_by_issue ON bills (issued_at);

-- How much of bill_asset one whole unit of asset pays, by an operator's word, for a time.
CREATE TABLE quotes (
  id INTEGER PRIMARY KEY CHECK (id > 0),
  asset TEXT NOT NULL REFERENCES ledger_assets (asset),
  bill_asset TEXT NOT NULL REFERENCES ledger_assets (asset),
  rate INTEGER NOT NULL CHECK (rate > 0),
  from_at INTEGER NOT NULL,
  expires_at INTEGER NOT NULL,
  actor TEXT NOT NULL CHECK (length(actor) BETWEEN 1 AND 64),
  request_key TEXT NOT NULL UNIQUE CHECK (length(request_key) BETWEEN 1 AND 64),
  CHECK (asset <> bill_asset),
  CHECK (expires_at > from_at)
) STRICT;

CREATE TRIGGER quotes_are_never_changed
BEFORE UPDATE ON quotes
BEGIN
  SELECT RAISE(ABORT, 'a quote is never changed, a later one is made');
END;

CREATE TRIGGER quotes_are_never_deleted
BEFORE DELETE ON quotes
BEGIN
  SELECT RAISE(ABORT, 'a quote is never deleted');
END;

-- Money that went to bills: amount is in the bills' asset, given in given_asset what the
-- payer gave for it (the same, unless by a quote). source: who moved it, and from where.
CREATE TABLE bill_payments (
  id INTEGER PRIMARY KEY CHECK (id > 0),
  member_id INTEGER NOT NULL REFERENCES members (id),
  source TEXT NOT NULL CHECK (source IN ('member', 'payment', 'top-up', 'prepaid')),
  asset TEXT NOT NULL,
  amount INTEGER NOT NULL CHECK (amount > 0),
  given_asset TEXT NOT NULL,
  given INTEGER NOT NULL CHECK (given > 0),
  quote_id INTEGER REFERENCES quotes (id),
  payment_id INTEGER UNIQUE REFERENCES payments (id),
  supply_id INTEGER REFERENCES supplies (id),
  wish TEXT NOT NULL CHECK (length(wish) <= 200),
  request_key TEXT CHECK (length(request_key) BETWEEN 1 AND 64),
  at INTEGER NOT NULL,
  UNIQUE (member_id, request_key),
  CHECK ((source IN ('payment', 'top-up')) = (payment_id IS NOT NULL)),
  CHECK ((source = 'prepaid') = (supply_id IS NOT NULL)),
  CHECK ((source = 'member') = (request_key IS NOT NULL)),
  CHECK (quote_id IS NOT NULL OR (asset = given_asset AND amount = given))
) STRICT;

CREATE INDEX bill_payments_by_member ON bill_payments (member_id, id);
CREATE INDEX bill_payments_by_time ON bill_payments (at);
CREATE INDEX bill_payments_by_supply ON bill_payments (supply_id) WHERE supply_id IS NOT NULL;

CREATE TRIGGER bill_payments_are_never_changed
BEFORE UPDATE ON bill_payments
BEGIN
  SELECT RAISE(ABORT, 'a payment of bills is never changed');
END;

CREATE TRIGGER bill_payments_are_never_deleted
BEFORE DELETE ON bill_payments
BEGIN
  SELECT RAISE(ABORT, 'a payment of bills is never deleted');
END;

CREATE TABLE bill_payment_parts (
  bill_payment_id INTEGER NOT NULL REFERENCES bill_payments (id),
  bill_id INTEGER NOT NULL REFERENCES bills (id),
  amount INTEGER NOT NULL CHECK (amount > 0),
  PRIMARY KEY (bill_payment_id, bill_id)
) STRICT, WITHOUT ROWID;

CREATE INDEX bill_payment_parts_by_bill ON bill_payment_parts (bill_id);

CREATE TRIGGER bill_payment_parts_are_never_changed
BEFORE UPDATE ON bill_payment_parts
BEGIN
  SELECT RAISE(ABORT, 'a payment of bills is never changed');
END;

-- An agreement to pay bills by dates; while it is kept no late fee falls on them.
CREATE TABLE instalment_plans (
  id INTEGER PRIMARY KEY CHECK (id > 0),
  member_id INTEGER NOT NULL REFERENCES members (id),
  asset TEXT NOT NULL,
  total INTEGER NOT NULL CHECK (total > 0),
  state TEXT NOT NULL CHECK (state IN ('open', 'kept', 'broken')),
  actor TEXT NOT NULL CHECK (length(actor) BETWEEN 1 AND 64),
  request_key TEXT NOT NULL UNIQUE CHECK (length(request_key) BETWEEN 1 AND 64),
  agreed_at INTEGER NOT NULL,
  next_at INTEGER,
  ended_at INTEGER,
  CHECK ((state = 'open') = (ended_at IS NULL)),
  CHECK ((state = 'open') = (next_at IS NOT NULL))
) STRICT;

CREATE UNIQUE INDEX instalment_plans_open ON instalment_plans (member_id, asset)
WHERE state = 'open';
CREATE INDEX instalment_plans_next ON instalment_plans (next_at) WHERE next_at IS NOT NULL;

CREATE TRIGGER instalment_plans_end_once
BEFORE UPDATE ON instalment_plans
WHEN OLD.state <> 'open' OR NEW.id <> OLD.id OR NEW.member_id <> OLD.member_id
  OR NEW.asset <> OLD.asset OR NEW.total <> OLD.total OR NEW.agreed_at <> OLD.agreed_at
BEGIN
  SELECT RAISE(ABORT, 'a plan keeps its terms and ends once');
END;

-- A bill in a plan, and how much of it the plan is about.
CREATE TABLE instalment_bills (
  plan_id INTEGER NOT NULL REFERENCES instalment_plans (id),
  bill_id INTEGER NOT NULL REFERENCES bills (id),
  amount INTEGER NOT NULL CHECK (amount > 0),
  PRIMARY KEY (plan_id, bill_id)
) STRICT, WITHOUT ROWID;

CREATE INDEX instalment_bills_by_bill ON instalment_bills (bill_id);

CREATE TABLE instalments (
  plan_id INTEGER NOT NULL REFERENCES instalment_plans (id),
  due_at INTEGER NOT NULL,
  amount INTEGER NOT NULL CHECK (amount > 0),
  PRIMARY KEY (plan_id, due_at)
) STRICT, WITHOUT ROWID;

CREATE INDEX instalments_due ON instalments (due_at);

-- The fee for paying late, once a bill, by its tariff's terms; base is what it is on.
CREATE TABLE late_fees (
  bill_id INTEGER PRIMARY KEY REFERENCES bills (id),
  asset TEXT NOT NULL,
  base INTEGER NOT NULL CHECK (base > 0),
  amount INTEGER NOT NULL CHECK (amount > 0),
  at INTEGER NOT NULL
) STRICT;

CREATE INDEX late_fees_by_time ON late_fees (at);

CREATE TRIGGER late_fees_are_never_changed
BEFORE UPDATE ON late_fees
BEGIN
  SELECT RAISE(ABORT, 'a fee is charged once');
END;

-- When an overdue bill is looked at for its late fee; never more where next_at is NULL.
CREATE TABLE late_fee_watches (
  bill_id INTEGER PRIMARY KEY REFERENCES bills (id),
  next_at INTEGER
) STRICT;

CREATE INDEX late_fee_watches_next ON late_fee_watches (next_at) WHERE next_at IS NOT NULL;

-- Utility tokens for a bill that was paid in full by its due date, once. stands_on is the
-- bill in its place now; taken_back is what a correction made undeserved, lost the part of
-- that which he had spent already.
CREATE TABLE rewards (
  bill_id INTEGER PRIMARY KEY REFERENCES bills (id),
  stands_on INTEGER NOT NULL REFERENCES bills (id),
  member_id INTEGER NOT NULL REFERENCES members (id),
  asset TEXT NOT NULL,
  amount INTEGER NOT NULL CHECK (amount > 0),
  bp INTEGER NOT NULL CHECK (bp > 0),
  state TEXT NOT NULL CHECK (state IN ('waiting', 'paid', 'dropped')),
  taken_back INTEGER NOT NULL DEFAULT 0,
  lost INTEGER NOT NULL DEFAULT 0,
  earned_at INTEGER NOT NULL,
  next_at INTEGER,
  ended_at INTEGER,
  CHECK (taken_back >= 0 AND lost >= 0 AND taken_back + lost <= amount),
  CHECK ((state = 'waiting') = (next_at IS NOT NULL)),
  CHECK ((state = 'waiting') = (ended_at IS NULL))
) STRICT;

CREATE INDEX rewards_next ON rewards (next_at) WHERE next_at IS NOT NULL;
CREATE INDEX rewards_by_member ON rewards (member_id, bill_id);
CREATE INDEX rewards_by_bill ON rewards (stands_on);
CREATE INDEX rewards_by_time ON rewards (earned_at);

CREATE TRIGGER rewards_are_paid_once
BEFORE UPDATE ON rewards
WHEN NEW.bill_id <> OLD.bill_id OR NEW.member_id <> OLD.member_id OR NEW.asset <> OLD.asset
  OR NEW.amount <> OLD.amount OR NEW.taken_back < OLD.taken_back
  OR (OLD.state <> 'waiting' AND NEW.state <> OLD.state)
BEGIN
  SELECT RAISE(ABORT, 'a reward is paid once');
END;

-- How far the acts of bills were looked through for corrections.
CREATE TABLE receivable_marks (
  name TEXT PRIMARY KEY CHECK (name = 'corrections'),
  act_id INTEGER NOT NULL CHECK (act_id >= 0)
) STRICT, WITHOUT ROWID;

-- What a prepaid supply's usage took from the balance, or gave back (below 0): cost is what
-- it came to from from_at to to_at. It waits in escrow:prepaid-SUPPLY for the bill that
-- begins at from_at.
CREATE TABLE prepaid_draws (
  id INTEGER PRIMARY KEY CHECK (id > 0),
  supply_id INTEGER NOT NULL REFERENCES supplies (id),
  from_at INTEGER NOT NULL,
  to_at INTEGER NOT NULL CHECK (to_at > from_at),
  asset TEXT NOT NULL,
  cost INTEGER NOT NULL,
  amount INTEGER NOT NULL CHECK (amount <> 0),
  kind TEXT NOT NULL CHECK (kind IN ('usage', 'returned')),
  at INTEGER NOT NULL
) STRICT;

CREATE INDEX prepaid_draws_by_supply ON prepaid_draws (supply_id, id);

CREATE TRIGGER prepaid_draws_are_never_changed
BEFORE UPDATE ON prepaid_draws
BEGIN
  SELECT RAISE(ABORT, 'a draw is never changed');
END;

-- Up to when a prepaid supply was charged and from when its open draws are (NULL for none),
-- what it came to, when it is looked at again, and whether its member knows little is left.
CREATE TABLE prepaid_standings (
  supply_id INTEGER PRIMARY KEY REFERENCES supplies (id),
  charged_to INTEGER NOT NULL,
  drawn_from INTEGER,
  cost INTEGER NOT NULL DEFAULT 0,
  next_at INTEGER NOT NULL,
  low INTEGER NOT NULL DEFAULT 0 CHECK (low IN (0, 1))
) STRICT;

CREATE INDEX prepaid_standings_next ON prepaid_standings (next_at);
CREATE INDEX prepaid_standings_open ON prepaid_standings (drawn_from)
WHERE drawn_from IS NOT NULL;
CREATE INDEX supplies_prepaid ON supplies (id) WHERE prepaid = 1;

-- A device that is unlocked by OpenPAYGO tokens: days of credit at a price a day. Its key is
-- sealed by a key of the house that is not in the database.
CREATE TABLE paygo_devices (
  id INTEGER PRIMARY KEY CHECK (id > 0),
  member_id INTEGER NOT NULL REFERENCES members (id),
  serial TEXT NOT NULL UNIQUE CHECK (length(serial) BETWEEN 1 AND 64),
  sealed_key BLOB NOT NULL CHECK (length(sealed_key) = 44),
  starting_code INTEGER NOT NULL CHECK (starting_code BETWEEN 0 AND 999999999),
  counter INTEGER NOT NULL CHECK (counter >= 0),
  day_price INTEGER NOT NULL CHECK (day_price > 0),
  asset TEXT NOT NULL,
  four_digits INTEGER NOT NULL CHECK (four_digits IN (0, 1)),
  added_at INTEGER NOT NULL,
  actor TEXT NOT NULL CHECK (length(actor) BETWEEN 1 AND 64)
) STRICT;

CREATE INDEX paygo_devices_by_member ON paygo_devices (member_id);

CREATE TRIGGER paygo_devices_count_on
BEFORE UPDATE ON paygo_devices
WHEN NEW.id <> OLD.id OR NEW.serial <> OLD.serial OR NEW.counter < OLD.counter
BEGIN
  SELECT RAISE(ABORT, 'a device keeps its name, and its counter only grows');
END;

-- One token a payment and device: asked again, the same is told.
CREATE TABLE paygo_tokens (
  id INTEGER PRIMARY KEY CHECK (id > 0),
  device_id INTEGER NOT NULL REFERENCES paygo_devices (id),
  payment_id INTEGER NOT NULL UNIQUE REFERENCES payments (id),
  days INTEGER NOT NULL CHECK (days > 0),
  amount INTEGER NOT NULL CHECK (amount > 0),
  counter INTEGER NOT NULL CHECK (counter > 0),
  token TEXT NOT NULL CHECK (length(token) IN (9, 15)),
  at INTEGER NOT NULL,
  UNIQUE (device_id, counter)
) STRICT;

CREATE TRIGGER paygo_tokens_are_never_changed
BEFORE UPDATE ON paygo_tokens
BEGIN
  SELECT RAISE(ABORT, 'a token is never changed');
END;
