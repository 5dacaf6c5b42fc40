-- The bills a plan was asked for, by number, in order: a key that is used again is compared
-- with them. An empty list asked for all open ones; NULL where it was not kept.

ALTER TABLE instalment_plans ADD COLUMN bills TEXT CHECK (bills IS NULL OR json_valid(bills));
