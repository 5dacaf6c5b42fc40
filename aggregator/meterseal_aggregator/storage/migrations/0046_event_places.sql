-- The last place that was given in everybody's stream of events. Erasure deletes the newest
-- rows, and their numbers must not come again: notices and listeners remember a number and
-- would go past what is told under it.

CREATE TABLE event_places (
  one INTEGER PRIMARY KEY CHECK (one = 1),
  last INTEGER NOT NULL CHECK (last >= 0)
) STRICT;

-- What was erased before this migration is known from how far notices had looked.
INSERT INTO event_places (one, last) VALUES (1, max(
  coalesce((SELECT max(id) FROM member_events), 0),
  coalesce((SELECT position FROM notice_cursors WHERE source = 'member-events'), 0)
));

CREATE TRIGGER event_places_outlive_their_events
AFTER DELETE ON member_events
BEGIN
  UPDATE event_places SET last = max(last, OLD.id);
END;

CREATE TRIGGER event_places_are_never_taken_back
BEFORE UPDATE ON event_places
WHEN NEW.last < OLD.last
BEGIN
  SELECT RAISE(ABORT, 'a place of an event is given once');
END;

CREATE TRIGGER event_places_are_never_deleted
BEFORE DELETE ON event_places
BEGIN
  SELECT RAISE(ABORT, 'a place of an event is given once');
END;
