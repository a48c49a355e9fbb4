-- What an event allows a buyer, beside the seats of one hold.

ALTER TABLE events
    ADD COLUMN ends_at             timestamptz,
    -- A hold can be extended, but never past this long after it was made.
    ADD COLUMN hold_total_seconds  integer NOT NULL DEFAULT 1800,
    -- Over all running holds and bookings of one buyer; NULL for no limit.
    ADD COLUMN max_seats_per_buyer integer CHECK (max_seats_per_buyer > 0),
    ADD COLUMN max_holds_per_buyer integer CHECK (max_holds_per_buyer > 0),
    -- What happens to whoever leaves a single seat alone.
    ADD COLUMN orphan_rule         text    NOT NULL DEFAULT 'OFF'
        CHECK (orphan_rule IN ('OFF', 'WARN', 'ENFORCE'));

UPDATE events
SET hold_total_seconds = hold_seconds,
    version            = version + 1
WHERE hold_seconds > hold_total_seconds;

ALTER TABLE events
    ADD CONSTRAINT events_hold_total_seconds CHECK (hold_total_seconds >= hold_seconds),
    ADD CONSTRAINT events_ends_at CHECK (starts_at < ends_at);

-- What counts against a buyer's limits.
CREATE INDEX holds_of_buyer ON holds (event_id, buyer)
    WHERE status = 'ACTIVE' AND buyer IS NOT NULL;
CREATE INDEX bookings_of_buyer ON bookings (event_id, buyer)
    WHERE status = 'CONFIRMED' AND buyer IS NOT NULL;
