-- Settlement asks of every trade it looks at what disputes credited its buyer.
CREATE INDEX disputes_by_trade ON disputes (trade_id) WHERE trade_id IS NOT NULL;
