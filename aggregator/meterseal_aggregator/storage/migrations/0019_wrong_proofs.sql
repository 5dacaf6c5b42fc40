-- Which agents' proofs were wrong lately: asked before every batch of proofs is checked.
CREATE INDEX range_proofs_failed_lately ON range_proofs (checked_at) WHERE state = 'failed';
