-- The market: what members offer, order and bid for the slots to come, what was traded,
-- and what the meters then said. Prices are micro-units per kWh, money micro-units, energy
-- Wh, time Unix seconds. Nothing here moves energy or money; the ledger's entries do.

-- What a seller has promised of one slot at one meter point, in both lanes together. Until
-- the slot is settled that is offers, asks, reservations and trades; then what was delivered.
CREATE TABLE slot_sales (
  meter_point_id INTEGER NOT NULL REFERENCES meter_points (id),
  start INTEGER NOT NULL CHECK (start >= 0),
  length INTEGER NOT NULL CHECK (length IN (900, 1800, 3600)),
  seller_id INTEGER NOT NULL REFERENCES members (id),
  cap_wh INTEGER NOT NULL CHECK (cap_wh > 0),
  promised_wh INTEGER NOT NULL CHECK (promised_wh BETWEEN 0 AND cap_wh),
  settled_at INTEGER,
  PRIMARY KEY (meter_point_id, start)
) STRICT, WITHOUT ROWID;

CREATE INDEX slot_sales_by_seller ON slot_sales (seller_id, start);
CREATE INDEX slot_sales_unsettled ON slot_sales (start) WHERE settled_at IS NULL;

CREATE TRIGGER slot_sales_do_not_overlap
BEFORE INSERT ON slot_sales
WHEN EXISTS (
  SELECT 1 FROM slot_sales WHERE meter_point_id = NEW.meter_point_id
  AND start <> NEW.start AND start < NEW.start + NEW.length AND start + length > NEW.start)
BEGIN
  SELECT RAISE(ABORT, 'a slot of another length is sold there');
END;

CREATE TRIGGER slot_sales_keep_their_terms
BEFORE UPDATE ON slot_sales
WHEN NEW.meter_point_id <> OLD.meter_point_id OR NEW.start <> OLD.start
  OR NEW.length <> OLD.length
  OR (NEW.seller_id <> OLD.seller_id AND (OLD.promised_wh > 0 OR OLD.settled_at IS NOT NULL))
  OR (OLD.settled_at IS NOT NULL AND NEW.settled_at IS NULL)
BEGIN
  SELECT RAISE(ABORT, 'only what is promised of a slot changes, until it is settled');
END;

CREATE TRIGGER slot_sales_are_never_deleted
BEFORE DELETE ON slot_sales
BEGIN
  SELECT RAISE(ABORT, 'what was promised of a slot stays on record');
END;

-- Lane A: a fixed price for some slots of one meter point.
CREATE TABLE offers (
  id INTEGER PRIMARY KEY CHECK (id > 0),
  seller_id INTEGER NOT NULL REFERENCES members (id),
  meter_point_id INTEGER NOT NULL REFERENCES meter_points (id),
  price INTEGER NOT NULL CHECK (price > 0 AND price % 1000 = 0),
  rail TEXT NOT NULL CHECK (rail = 'ledger'),
  request_key TEXT NOT NULL CHECK (length(request_key) BETWEEN 1 AND 64),
  made_at INTEGER NOT NULL,
  withdrawn_at INTEGER,
  UNIQUE (seller_id, request_key)
) STRICT;

CREATE INDEX offers_by_seller ON offers (seller_id, id);

CREATE TRIGGER offers_are_only_withdrawn
BEFORE UPDATE ON offers
WHEN OLD.withdrawn_at IS NOT NULL OR NEW.id <> OLD.id OR NEW.seller_id <> OLD.seller_id
  OR NEW.meter_point_id <> OLD.meter_point_id OR NEW.price <> OLD.price
  OR NEW.request_key <> OLD.request_key OR NEW.made_at <> OLD.made_at
BEGIN
  SELECT RAISE(ABORT, 'an offer may only be withdrawn, once');
END;

CREATE TRIGGER offers_are_never_deleted
BEFORE DELETE ON offers
BEGIN
  SELECT RAISE(ABORT, 'an offer is never deleted');
END;

-- claimed_wh is what orders have of it: reserved, confirmed or settled. Two buyers cannot
-- claim one Wh, because the row says so.
CREATE TABLE offer_slots (
  offer_id INTEGER NOT NULL REFERENCES offers (id),
  start INTEGER NOT NULL,
  wh INTEGER NOT NULL CHECK (wh > 0),
  claimed_wh INTEGER NOT NULL DEFAULT 0 CHECK (claimed_wh BETWEEN 0 AND wh),
  closed_at INTEGER,
  PRIMARY KEY (offer_id, start)
) STRICT, WITHOUT ROWID;

CREATE INDEX offer_slots_open ON offer_slots (start) WHERE closed_at IS NULL;

CREATE TRIGGER offer_slots_keep_their_terms
BEFORE UPDATE ON offer_slots
WHEN NEW.offer_id <> OLD.offer_id OR NEW.start <> OLD.start OR NEW.wh <> OLD.wh
  OR (OLD.closed_at IS NOT NULL AND (NEW.closed_at IS NOT OLD.closed_at
    OR NEW.claimed_wh > OLD.claimed_wh))
BEGIN
  SELECT RAISE(ABORT, 'a closed slot of an offer is not claimed again');
END;

CREATE TRIGGER offer_slots_are_never_deleted
BEFORE DELETE ON offer_slots
BEGIN
  SELECT RAISE(ABORT, 'an offer is never deleted');
END;

CREATE TABLE orders (
  id INTEGER PRIMARY KEY CHECK (id > 0),
  offer_id INTEGER NOT NULL REFERENCES offers (id),
  buyer_id INTEGER NOT NULL REFERENCES members (id),
  seller_id INTEGER NOT NULL REFERENCES members (id),
  rail TEXT NOT NULL CHECK (rail = 'ledger'),
  state TEXT NOT NULL CHECK (state IN ('reserved', 'confirmed', 'delivered', 'partial',
    'failed', 'released', 'expired', 'cancelled', 'voided')),
  wh INTEGER NOT NULL CHECK (wh > 0),
  request_key TEXT NOT NULL CHECK (length(request_key) BETWEEN 1 AND 64),
  reserved_at INTEGER NOT NULL,
  confirmed_at INTEGER,
  ended_at INTEGER,
  CHECK (buyer_id <> seller_id),
  CHECK ((state IN ('reserved', 'released', 'expired')) = (confirmed_at IS NULL)),
  UNIQUE (buyer_id, request_key)
) STRICT;

CREATE INDEX orders_by_offer ON orders (offer_id);
CREATE INDEX orders_by_seller ON orders (seller_id, id);
CREATE INDEX orders_reserved ON orders (reserved_at) WHERE state = 'reserved';

CREATE TRIGGER orders_go_their_way
BEFORE UPDATE ON orders
WHEN NEW.id <> OLD.id OR NEW.offer_id <> OLD.offer_id OR NEW.buyer_id <> OLD.buyer_id
  OR NEW.seller_id <> OLD.seller_id OR NEW.wh <> OLD.wh
  OR NEW.request_key <> OLD.request_key OR NEW.reserved_at <> OLD.reserved_at
  OR NOT CASE OLD.state
    WHEN 'reserved' THEN NEW.state IN ('confirmed', 'released', 'expired')
    WHEN 'confirmed' THEN NEW.state IN ('cancelled', 'voided', 'delivered', 'partial', 'failed')
    WHEN 'delivered' THEN NEW.state IN ('delivered', 'partial', 'failed')
    WHEN 'partial' THEN NEW.state IN ('delivered', 'partial', 'failed')
    WHEN 'failed' THEN NEW.state IN ('delivered', 'partial', 'failed')
    ELSE 0 END
BEGIN
  SELECT RAISE(ABORT, 'an order cannot go there from where it is');
END;

CREATE TRIGGER orders_are_never_deleted
BEFORE DELETE ON orders
BEGIN
  SELECT RAISE(ABORT, 'an order is never deleted');
END;

CREATE TABLE order_slots (
  order_id INTEGER NOT NULL REFERENCES orders (id),
  start INTEGER NOT NULL,
  wh INTEGER NOT NULL CHECK (wh > 0),
  PRIMARY KEY (order_id, start)
) STRICT, WITHOUT ROWID;

CREATE TRIGGER order_slots_are_never_changed
BEFORE UPDATE ON order_slots
BEGIN
  SELECT RAISE(ABORT, 'what was ordered is never changed');
END;

CREATE TRIGGER order_slots_are_never_deleted
BEFORE DELETE ON order_slots
BEGIN
  SELECT RAISE(ABORT, 'what was ordered is never changed');
END;

-- Who cancelled how much of an order, and by which wish: the same wish again is told the
-- same. `slots` are those he named, as 900,1800; empty for all that had not begun.
CREATE TABLE order_cancellations (
  order_id INTEGER NOT NULL REFERENCES orders (id),
  number INTEGER NOT NULL CHECK (number > 0),
  member_id INTEGER NOT NULL REFERENCES members (id),
  request_key TEXT NOT NULL CHECK (length(request_key) BETWEEN 1 AND 64),
  slots TEXT NOT NULL,
  wh INTEGER NOT NULL CHECK (wh > 0),
  cancelled_at INTEGER NOT NULL,
  PRIMARY KEY (order_id, number),
  UNIQUE (member_id, request_key)
) STRICT, WITHOUT ROWID;

CREATE TRIGGER order_cancellations_are_never_changed
BEFORE UPDATE ON order_cancellations
BEGIN
  SELECT RAISE(ABORT, 'what was cancelled stays cancelled');
END;

CREATE TRIGGER order_cancellations_are_never_deleted
BEFORE DELETE ON order_cancellations
BEGIN
  SELECT RAISE(ABORT, 'what was cancelled stays cancelled');
END;

-- Lane B: sealed orders for one slot, and what its auction did. An ask's seller is left with
-- its price or more, a bid's buyer pays its price or less and has the money put aside.
CREATE TABLE auction_orders (
  id INTEGER PRIMARY KEY CHECK (id > 0),
  side TEXT NOT NULL CHECK (side IN ('ask', 'bid')),
  member_id INTEGER NOT NULL REFERENCES members (id),
  meter_point_id INTEGER REFERENCES meter_points (id),
  start INTEGER NOT NULL,
  length INTEGER NOT NULL CHECK (length IN (900, 1800, 3600)),
  wh INTEGER NOT NULL CHECK (wh > 0),
  price INTEGER NOT NULL CHECK (price >= 0),
  rail TEXT NOT NULL CHECK (rail = 'ledger'),
  state TEXT NOT NULL CHECK (state IN ('sealed', 'cancelled', 'cleared')),
  filled_wh INTEGER NOT NULL DEFAULT 0 CHECK (filled_wh BETWEEN 0 AND wh),
  request_key TEXT NOT NULL CHECK (length(request_key) BETWEEN 1 AND 64),
  submitted_at INTEGER NOT NULL,
  ended_at INTEGER,
  CHECK ((side = 'ask') = (meter_point_id IS NOT NULL)),
  CHECK ((state = 'sealed') = (ended_at IS NULL)),
  UNIQUE (member_id, request_key)
) STRICT;

CREATE INDEX auction_orders_sealed ON auction_orders (start) WHERE state = 'sealed';
CREATE INDEX auction_orders_by_slot ON auction_orders (start);
CREATE INDEX auction_orders_by_member ON auction_orders (member_id, id);
CREATE INDEX auction_orders_by_member_and_slot ON auction_orders (member_id, start);

CREATE TRIGGER auction_orders_end_once
BEFORE UPDATE ON auction_orders
WHEN OLD.state <> 'sealed' OR NEW.state = 'sealed' OR NEW.id <> OLD.id
  OR NEW.side <> OLD.side OR NEW.member_id <> OLD.member_id OR NEW.start <> OLD.start
  OR NEW.meter_point_id IS NOT OLD.meter_point_id OR NEW.wh <> OLD.wh
  OR NEW.price <> OLD.price OR NEW.submitted_at <> OLD.submitted_at
  OR (NEW.state = 'cancelled' AND NEW.filled_wh <> 0)
BEGIN
  SELECT RAISE(ABORT, 'a sealed order is opened once, or cancelled before');
END;

CREATE TRIGGER auction_orders_are_never_deleted
BEFORE DELETE ON auction_orders
BEGIN
  SELECT RAISE(ABORT, 'a sealed order is never deleted');
END;

-- The book is BOOK.json of `meterseal-verify clearing`, its parties under names of this slot
-- alone; the log holds SHA-256(salt, hash).
CREATE TABLE clearings (
  start INTEGER PRIMARY KEY,
  length INTEGER NOT NULL CHECK (length IN (900, 1800, 3600)),
  price INTEGER CHECK (price >= 0),
  volume_wh INTEGER NOT NULL CHECK (volume_wh >= 0),
  hash BLOB NOT NULL CHECK (length(hash) = 32),
  salt BLOB NOT NULL CHECK (length(salt) = 16),
  entry_id INTEGER NOT NULL,
  book BLOB NOT NULL,
  cleared_at INTEGER NOT NULL,
  CHECK ((price IS NULL) = (volume_wh = 0))
) STRICT;

CREATE TRIGGER clearings_are_never_changed
BEFORE UPDATE ON clearings
BEGIN
  SELECT RAISE(ABORT, 'a slot is cleared once');
END;

CREATE TRIGGER clearings_are_never_deleted
BEFORE DELETE ON clearings
BEGIN
  SELECT RAISE(ABORT, 'a slot is cleared once');
END;

CREATE TRIGGER auction_orders_come_before_the_clearing
BEFORE INSERT ON auction_orders
WHEN EXISTS (SELECT 1 FROM clearings
  WHERE start > NEW.start - 3600 AND start < NEW.start + NEW.length
  AND start + length > NEW.start)
BEGIN
  SELECT RAISE(ABORT, 'this slot is cleared');
END;

-- A trade: Wh of one slot from one seller to one buyer, at terms fixed when it was made.
-- metered_wh is its share of the export as the last run found it; delivered_wh is what the
-- buyer got and paid for, which never falls: what a correction takes, the producer owes.
CREATE TABLE trades (
  id INTEGER PRIMARY KEY CHECK (id > 0),
  lane INTEGER NOT NULL CHECK (lane IN (0, 1)),
  rail TEXT NOT NULL CHECK (rail = 'ledger'),
  meter_point_id INTEGER NOT NULL,
  start INTEGER NOT NULL,
  length INTEGER NOT NULL,
  seller_id INTEGER NOT NULL REFERENCES members (id),
  buyer_id INTEGER NOT NULL REFERENCES members (id),
  wh INTEGER NOT NULL CHECK (wh > 0),
  price INTEGER NOT NULL CHECK (price >= 0 AND price % 1000 = 0),
  fee INTEGER NOT NULL CHECK (fee BETWEEN 0 AND price),
  losses_bp INTEGER NOT NULL CHECK (losses_bp BETWEEN 0 AND 9999),
  retail INTEGER NOT NULL CHECK (retail >= 0),
  asset TEXT NOT NULL,
  order_id INTEGER REFERENCES orders (id),
  ask_id INTEGER REFERENCES auction_orders (id),
  bid_id INTEGER REFERENCES auction_orders (id),
  made_at INTEGER NOT NULL,
  state TEXT NOT NULL DEFAULT 'held'
    CHECK (state IN ('held', 'cancelled', 'settled', 'voided')),
  metered_wh INTEGER CHECK (metered_wh BETWEEN 0 AND wh),
  delivered_wh INTEGER NOT NULL DEFAULT 0 CHECK (delivered_wh BETWEEN 0 AND wh),
  run INTEGER NOT NULL DEFAULT 0 CHECK (run BETWEEN 0 AND 3),
  ended_at INTEGER,
  FOREIGN KEY (meter_point_id, start) REFERENCES slot_sales (meter_point_id, start),
  CHECK (seller_id <> buyer_id),
  CHECK ((lane = 0) = (order_id IS NOT NULL)),
  CHECK ((lane = 1) = (ask_id IS NOT NULL)),
  CHECK ((ask_id IS NULL) = (bid_id IS NULL)),
  CHECK ((state = 'settled') = (metered_wh IS NOT NULL)),
  CHECK ((state = 'held') = (ended_at IS NULL))
) STRICT;

CREATE INDEX trades_by_slot ON trades (meter_point_id, start);
CREATE INDEX trades_by_start ON trades (start) WHERE state = 'held';
CREATE INDEX trades_by_seller ON trades (seller_id, id);
CREATE INDEX trades_by_buyer ON trades (buyer_id, id);
CREATE INDEX trades_by_order ON trades (order_id) WHERE order_id IS NOT NULL;
CREATE INDEX trades_by_ask ON trades (ask_id) WHERE ask_id IS NOT NULL;
CREATE INDEX trades_by_bid ON trades (bid_id) WHERE bid_id IS NOT NULL;

CREATE TRIGGER trades_keep_their_terms
BEFORE UPDATE ON trades
WHEN NEW.id <> OLD.id OR NEW.lane <> OLD.lane OR NEW.meter_point_id <> OLD.meter_point_id
  OR NEW.start <> OLD.start OR NEW.length <> OLD.length OR NEW.seller_id <> OLD.seller_id
  OR NEW.buyer_id <> OLD.buyer_id OR NEW.wh <> OLD.wh OR NEW.price <> OLD.price
  OR NEW.fee <> OLD.fee OR NEW.losses_bp <> OLD.losses_bp OR NEW.retail <> OLD.retail
  OR NEW.asset <> OLD.asset OR NEW.order_id IS NOT OLD.order_id
  OR NEW.ask_id IS NOT OLD.ask_id OR NEW.bid_id IS NOT OLD.bid_id
  OR NEW.made_at <> OLD.made_at OR NEW.delivered_wh < OLD.delivered_wh
  OR OLD.state IN ('cancelled', 'voided')
  OR (OLD.state = 'settled' AND (NEW.state <> 'settled' OR NEW.run <= OLD.run))
  OR (NEW.state <> 'settled' AND NEW.delivered_wh <> 0)
BEGIN
  SELECT RAISE(ABORT, 'a trade keeps its terms, ends once and is settled run by run');
END;

CREATE TRIGGER trades_are_never_deleted
BEFORE DELETE ON trades
BEGIN
  SELECT RAISE(ABORT, 'a trade is never deleted');
END;

-- What each run found and posted for a trade. metered_wh and delivered_wh are what they were
-- after it, money (micro-units) the differences to the runs before: paid = to_seller + fee +
-- losses; from_stake, from_fund and uncovered add up to what the shortfall costs the buyer;
-- arrears is what his balance did not give of paid and of compensation taken back.
CREATE TABLE trade_runs (
  trade_id INTEGER NOT NULL REFERENCES trades (id),
  run INTEGER NOT NULL CHECK (run BETWEEN 0 AND 3),
  metered_wh INTEGER NOT NULL CHECK (metered_wh >= 0),
  delivered_wh INTEGER NOT NULL CHECK (delivered_wh >= 0),
  paid INTEGER NOT NULL,
  to_seller INTEGER NOT NULL,
  fee INTEGER NOT NULL,
  losses INTEGER NOT NULL,
  from_stake INTEGER NOT NULL,
  from_fund INTEGER NOT NULL,
  uncovered INTEGER NOT NULL,
  arrears INTEGER NOT NULL CHECK (arrears >= 0),
  at INTEGER NOT NULL,
  PRIMARY KEY (trade_id, run),
  CHECK (paid = to_seller + fee + losses)
) STRICT, WITHOUT ROWID;

CREATE TRIGGER trade_runs_are_never_changed
BEFORE UPDATE ON trade_runs
BEGIN
  SELECT RAISE(ABORT, 'a run is never changed; the next posts the difference');
END;

CREATE TRIGGER trade_runs_are_never_deleted
BEFORE DELETE ON trade_runs
BEGIN
  SELECT RAISE(ABORT, 'a run is never deleted');
END;

-- One Wh, one use: what became of a slot's export as each run found it. What a correction
-- took after it was used is owed_wh.
CREATE TABLE slot_runs (
  meter_point_id INTEGER NOT NULL,
  start INTEGER NOT NULL,
  run INTEGER NOT NULL CHECK (run BETWEEN 0 AND 3),
  export_wh INTEGER NOT NULL CHECK (export_wh >= 0),
  traded_wh INTEGER NOT NULL CHECK (traded_wh >= 0),
  fed_in_wh INTEGER NOT NULL CHECK (fed_in_wh >= 0),
  kept_wh INTEGER NOT NULL CHECK (kept_wh >= 0),
  owed_wh INTEGER NOT NULL CHECK (owed_wh >= 0),
  at INTEGER NOT NULL,
  PRIMARY KEY (meter_point_id, start, run),
  CHECK (export_wh + owed_wh = traded_wh + fed_in_wh + kept_wh)
) STRICT, WITHOUT ROWID;

CREATE TRIGGER slot_runs_are_never_changed
BEFORE UPDATE ON slot_runs
BEGIN
  SELECT RAISE(ABORT, 'a run is never changed');
END;

CREATE TRIGGER slot_runs_are_never_deleted
BEFORE DELETE ON slot_runs
BEGIN
  SELECT RAISE(ABORT, 'a run is never deleted');
END;

-- Trust in 1/10,000: what moved it, once an event, and what it is now.
CREATE TABLE trust_scores (
  member_id INTEGER PRIMARY KEY REFERENCES members (id),
  score INTEGER NOT NULL CHECK (score BETWEEN 0 AND 10000)
) STRICT;

CREATE TABLE trust_events (
  id INTEGER PRIMARY KEY CHECK (id > 0),
  member_id INTEGER NOT NULL REFERENCES members (id),
  subject TEXT NOT NULL CHECK (length(subject) BETWEEN 1 AND 64),
  event TEXT NOT NULL CHECK (length(event) BETWEEN 1 AND 32),
  change INTEGER NOT NULL CHECK (change BETWEEN -10000 AND 10000),
  score INTEGER NOT NULL CHECK (score BETWEEN 0 AND 10000),
  at INTEGER NOT NULL,
  UNIQUE (subject, event)
) STRICT;

CREATE INDEX trust_events_by_member ON trust_events (member_id, id);

CREATE TRIGGER trust_events_are_never_changed
BEFORE UPDATE ON trust_events
BEGIN
  SELECT RAISE(ABORT, 'what moved trust is never changed');
END;

CREATE TRIGGER trust_events_are_never_deleted
BEFORE DELETE ON trust_events
BEGIN
  SELECT RAISE(ABORT, 'what moved trust is never deleted');
END;

CREATE TRIGGER trust_scores_are_never_deleted
BEFORE DELETE ON trust_scores
BEGIN
  SELECT RAISE(ABORT, 'a score is never deleted');
END;

-- What a member says he makes a month, and what shall become of export he does not sell.
CREATE TABLE production_declarations (
  id INTEGER PRIMARY KEY CHECK (id > 0),
  member_id INTEGER NOT NULL REFERENCES members (id),
  monthly_wh INTEGER NOT NULL CHECK (monthly_wh > 0),
  declared_at INTEGER NOT NULL
) STRICT;

CREATE INDEX production_declarations_by_member ON production_declarations (member_id, id);

CREATE TRIGGER production_declarations_are_never_changed
BEFORE UPDATE ON production_declarations
BEGIN
  SELECT RAISE(ABORT, 'a declaration is never changed; declare anew');
END;

CREATE TRIGGER production_declarations_are_never_deleted
BEFORE DELETE ON production_declarations
BEGIN
  SELECT RAISE(ABORT, 'a declaration is never deleted');
END;

CREATE TABLE surplus_choices (
  id INTEGER PRIMARY KEY CHECK (id > 0),
  member_id INTEGER NOT NULL REFERENCES members (id),
  choice TEXT NOT NULL CHECK (choice IN ('keep', 'feed-in')),
  from_at INTEGER NOT NULL,
  UNIQUE (member_id, from_at)
) STRICT;

CREATE TRIGGER surplus_choices_are_never_changed
BEFORE UPDATE ON surplus_choices
BEGIN
  SELECT RAISE(ABORT, 'a choice is never changed; choose anew');
END;

CREATE TRIGGER surplus_choices_are_never_deleted
BEFORE DELETE ON surplus_choices
BEGIN
  SELECT RAISE(ABORT, 'a choice is never deleted');
END;

CREATE TABLE ratings (
  id INTEGER PRIMARY KEY CHECK (id > 0),
  trade_id INTEGER NOT NULL REFERENCES trades (id),
  rater_id INTEGER NOT NULL REFERENCES members (id),
  rated_id INTEGER NOT NULL REFERENCES members (id),
  stars INTEGER NOT NULL CHECK (stars BETWEEN 1 AND 5),
  rated_at INTEGER NOT NULL,
  CHECK (rater_id <> rated_id),
  UNIQUE (trade_id, rater_id)
) STRICT;

CREATE INDEX ratings_by_rated ON ratings (rated_id, id);

CREATE TRIGGER ratings_are_never_changed
BEFORE UPDATE ON ratings
BEGIN
  SELECT RAISE(ABORT, 'a rating is never changed');
END;

CREATE TRIGGER ratings_are_never_deleted
BEFORE DELETE ON ratings
BEGIN
  SELECT RAISE(ABORT, 'a rating is never deleted');
END;

-- What a member is told as it happens, in order: the stream he may go on from anywhere.
CREATE TABLE member_events (
  id INTEGER PRIMARY KEY CHECK (id > 0),
  member_id INTEGER NOT NULL REFERENCES members (id),
  kind TEXT NOT NULL CHECK (length(kind) BETWEEN 1 AND 32),
  body TEXT NOT NULL CHECK (length(body) BETWEEN 2 AND 2000),
  at INTEGER NOT NULL
) STRICT;

CREATE INDEX member_events_by_member ON member_events (member_id, id);

CREATE TRIGGER member_events_are_never_changed
BEFORE UPDATE ON member_events
BEGIN
  SELECT RAISE(ABORT, 'what was told is never changed');
END;
