-- How bills are found for which something was delivered only after they were issued.

CREATE INDEX trade_runs_delivered ON trade_runs (at) WHERE delivered_wh > 0;

-- How far those have been looked at: whole seconds of trade_runs.at. From 0 on, so that bills
-- from before this migration are mended as well.
ALTER TABLE correction_marks ADD COLUMN delivered_to INTEGER NOT NULL DEFAULT 0;

-- What a bill that took the place of one in a plan asks beyond the plan: paid last.
ALTER TABLE instalment_bills ADD COLUMN beside INTEGER NOT NULL DEFAULT 0 CHECK (beside >= 0);
