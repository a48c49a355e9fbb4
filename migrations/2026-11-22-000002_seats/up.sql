-- The hot table: the state of every seat of every event, and nothing else.
--
-- event_id leads the key, so that the table can be partitioned or distributed
-- by event. No index covers a column that a transition writes, and pages keep
-- room, so that every transition is a heap-only (HOT) update. There is no
-- foreign key to events: events are never deleted, and the check would lock
-- the one row of the event that everybody is buying from.
CREATE TABLE seats (
    event_id   bigint  NOT NULL,
    seat_no    integer NOT NULL,
    version    integer NOT NULL DEFAULT 1,
    status     text    NOT NULL DEFAULT 'AVAILABLE'
        CONSTRAINT seats_status CHECK (status IN ('AVAILABLE', 'HELD', 'BOOKED', 'BLOCKED')),
    -- The hold or the booking that has the seat.
    owner_id   uuid,
    -- When a hold lapses, by the database's clock alone.
    held_until timestamptz,
    -- Why and by whom the seat came to this status: the trigger copies both
    -- into the feed, so that they cannot be forgotten and may differ row by
    -- row in one statement.
    cause      text    NOT NULL DEFAULT 'CREATED',
    actor      text    NOT NULL DEFAULT 'system',
    PRIMARY KEY (event_id, seat_no),
    CONSTRAINT seats_owner CHECK ((owner_id IS NOT NULL) = (status IN ('HELD', 'BOOKED'))),
    CONSTRAINT seats_held_until CHECK ((held_until IS NOT NULL) = (status = 'HELD')),
    -- A hand-written UPDATE that forgets to say why is refused, too: it would
    -- leave the cause of the status before. CORRECTION is the cause to give.
    CONSTRAINT seats_cause CHECK (
        CASE status
            WHEN 'AVAILABLE' THEN cause IN ('CREATED', 'RELEASED', 'LAPSED', 'CANCELLED', 'UNBLOCKED', 'CORRECTION')
            WHEN 'HELD' THEN cause IN ('HELD', 'CORRECTION')
            WHEN 'BOOKED' THEN cause IN ('BOOKED', 'CORRECTION')
            WHEN 'BLOCKED' THEN cause IN ('BLOCKED', 'CORRECTION')
        END)
) WITH (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.05);

CREATE FUNCTION reject_seat() RETURNS trigger
    LANGUAGE plpgsql AS
$$
BEGIN
    RAISE EXCEPTION USING
        ERRCODE = 'check_violation',
        CONSTRAINT = TG_NAME,
        TABLE = TG_TABLE_NAME,
        MESSAGE = CASE TG_OP
            WHEN 'INSERT' THEN 'a new seat is AVAILABLE at version 1'
            WHEN 'DELETE' THEN 'a seat is never deleted'
            WHEN 'TRUNCATE' THEN 'a seat is never deleted'
            ELSE 'a seat''s version goes up by exactly 1 with every change of status or owner, and only then'
        END,
        HINT = CASE TG_OP WHEN 'UPDATE' THEN 'Set version = version + 1 in the same UPDATE.' END;
END
$$;

CREATE TRIGGER seats_start
    BEFORE INSERT ON seats
    FOR EACH ROW
    WHEN (NEW.version <> 1 OR NEW.status <> 'AVAILABLE')
EXECUTE FUNCTION reject_seat();

-- The WHEN clause is evaluated without calling the function: the rule costs
-- next to nothing as long as it is kept.
CREATE TRIGGER seats_version_step
    BEFORE UPDATE ON seats
    FOR EACH ROW
    WHEN (NEW.version <> OLD.version + (CASE
        WHEN NEW.status <> OLD.status OR NEW.owner_id IS DISTINCT FROM OLD.owner_id THEN 1
        ELSE 0
        END)
        OR NEW.event_id <> OLD.event_id OR NEW.seat_no <> OLD.seat_no)
EXECUTE FUNCTION reject_seat();

CREATE TRIGGER seats_stay
    BEFORE DELETE ON seats
    FOR EACH ROW
EXECUTE FUNCTION reject_seat();

CREATE TRIGGER seats_stay_all
    BEFORE TRUNCATE ON seats
EXECUTE FUNCTION reject_seat();
