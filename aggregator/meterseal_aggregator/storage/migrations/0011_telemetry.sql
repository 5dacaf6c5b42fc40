-- What agents tell beside their seals: telemetry in a bounded window, the batch as it came,
-- and the last health record of each. Nothing is billed or minted by it; rows are deleted.

CREATE TABLE telemetry (
  meter BLOB NOT NULL CHECK (length(meter) = 16),
  begin_at INTEGER NOT NULL,
  end_at INTEGER NOT NULL CHECK (end_at > begin_at),
  samples INTEGER NOT NULL CHECK (samples >= 0),
  payload BLOB NOT NULL CHECK (length(payload) <= 65536),
  PRIMARY KEY (meter, end_at, begin_at)
) STRICT, WITHOUT ROWID;

CREATE INDEX telemetry_by_age ON telemetry (end_at);

CREATE TABLE agent_health (
  agent TEXT PRIMARY KEY CHECK (length(agent) BETWEEN 1 AND 64),
  at INTEGER NOT NULL,
  received_at INTEGER NOT NULL,
  payload BLOB NOT NULL CHECK (length(payload) <= 65536)
) STRICT, WITHOUT ROWID;
