-- Lane C: minted Wh for sale at the community's price, at once; and what sellers stake.
-- Money is in micro-units of the asset named, energy in Wh, time in Unix seconds. The seller
-- 0 is the house, which has for sale what buyers gave back. Nothing here moves energy or
-- money; the ledger's entries do.

-- What was done, once a wish, and with what amounts. left_wh is what its seller has for sale
-- after it, bought_wh what its member may still have refunded after it. bound is the most a
-- buyer would pay, or the least he would take back. The ids of the ledger's moves follow
-- from id.
CREATE TABLE listing_deeds (
  id INTEGER PRIMARY KEY CHECK (id > 0),
  kind TEXT NOT NULL CHECK (kind IN ('add', 'remove', 'buy', 'refund')),
  member_id INTEGER NOT NULL REFERENCES members (id),
  seller INTEGER NOT NULL CHECK (seller >= 0),
  wh INTEGER NOT NULL CHECK (wh > 0),
  bound INTEGER NOT NULL CHECK (bound >= 0),
  price INTEGER NOT NULL CHECK (price >= 0 AND price % 1000 = 0),
  amount INTEGER NOT NULL CHECK (amount >= 0),
  commission INTEGER NOT NULL CHECK (commission >= 0),
  asset TEXT NOT NULL,
  left_wh INTEGER NOT NULL CHECK (left_wh >= 0),
  bought_wh INTEGER NOT NULL CHECK (bought_wh >= 0),
  rail TEXT NOT NULL CHECK (rail = 'ledger'),
  request_key TEXT NOT NULL CHECK (length(request_key) BETWEEN 1 AND 64),
  done_at INTEGER NOT NULL,
  CHECK (kind NOT IN ('add', 'remove')
    OR (seller = member_id AND bound = 0 AND price = 0 AND amount = 0)),
  CHECK (kind <> 'buy' OR (seller <> member_id AND amount + commission <= bound)),
  CHECK (kind <> 'refund' OR (seller = 0 AND amount >= bound)),
  CHECK (kind = 'buy' OR commission = 0),
  UNIQUE (member_id, request_key)
) STRICT;

CREATE INDEX listing_deeds_by_seller ON listing_deeds (seller, id);

CREATE TRIGGER listing_deeds_are_never_changed
BEFORE UPDATE ON listing_deeds
BEGIN
  SELECT RAISE(ABORT, 'what was bought and sold is never changed');
END;

CREATE TRIGGER listing_deeds_are_never_deleted
BEFORE DELETE ON listing_deeds
BEGIN
  SELECT RAISE(ABORT, 'what was bought and sold is never deleted');
END;

-- How much each seller has for sale now.
CREATE TABLE listings (
  seller INTEGER PRIMARY KEY CHECK (seller >= 0),
  wh INTEGER NOT NULL CHECK (wh >= 0)
) STRICT;

CREATE TRIGGER listings_are_never_deleted
BEFORE DELETE ON listings
BEGIN
  SELECT RAISE(ABORT, 'a seller without Wh has 0 for sale');
END;

-- How much of what each buyer bought here he has not had refunded.
CREATE TABLE listing_buyers (
  member_id INTEGER PRIMARY KEY REFERENCES members (id),
  wh INTEGER NOT NULL CHECK (wh >= 0)
) STRICT;

CREATE TRIGGER listing_buyers_are_never_deleted
BEFORE DELETE ON listing_buyers
BEGIN
  SELECT RAISE(ABORT, 'what was bought here stays on record');
END;

-- Money a seller set aside to answer with, or took back; held is his stake after it.
CREATE TABLE stake_moves (
  id INTEGER PRIMARY KEY CHECK (id > 0),
  member_id INTEGER NOT NULL REFERENCES members (id),
  kind TEXT NOT NULL CHECK (kind IN ('stake', 'release')),
  amount INTEGER NOT NULL CHECK (amount > 0),
  asset TEXT NOT NULL,
  held INTEGER NOT NULL CHECK (held >= 0),
  request_key TEXT NOT NULL CHECK (length(request_key) BETWEEN 1 AND 64),
  moved_at INTEGER NOT NULL,
  UNIQUE (member_id, request_key)
) STRICT;

CREATE TRIGGER stake_moves_are_never_changed
BEFORE UPDATE ON stake_moves
BEGIN
  SELECT RAISE(ABORT, 'what was staked is never changed');
END;

CREATE TRIGGER stake_moves_are_never_deleted
BEFORE DELETE ON stake_moves
BEGIN
  SELECT RAISE(ABORT, 'what was staked is never deleted');
END;
