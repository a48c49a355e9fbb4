-- The change feed: one row for each step of a seat's version, written in the
-- transaction of the change by the database itself, so that no writer can
-- forget it. It is the audit log and the source of every live map at once.
--
-- An identity is taken before commit, so reading "id > cursor" skips a
-- transaction that took its id early and commits late. Each row therefore
-- stores its transaction; readers take only rows of transactions below
-- pg_snapshot_xmin(pg_current_snapshot()), all of which have ended, in the
-- order (transaction_id, id).
CREATE TABLE seat_changes (
    event_id       bigint      NOT NULL,
    transaction_id xid8        NOT NULL DEFAULT pg_current_xact_id(),
    id             bigint      GENERATED ALWAYS AS IDENTITY,
    seat_no        integer     NOT NULL,
    version        integer     NOT NULL,
    status         text        NOT NULL,
    cause          text        NOT NULL,
    actor          text        NOT NULL,
    owner_id       uuid,
    changed_at     timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (event_id, transaction_id, id)
);

CREATE FUNCTION reject_change_of_feed() RETURNS trigger
    LANGUAGE plpgsql AS
$$
BEGIN
    RAISE EXCEPTION USING
        ERRCODE = 'restrict_violation',
        MESSAGE = 'seat_changes is append-only: what is old may be pruned, nothing is changed';
END
$$;

CREATE TRIGGER seat_changes_append_only
    BEFORE UPDATE OR TRUNCATE ON seat_changes
EXECUTE FUNCTION reject_change_of_feed();

CREATE FUNCTION publish_seat_changes() RETURNS trigger
    LANGUAGE plpgsql AS
$$
BEGIN
    INSERT INTO seat_changes (event_id, seat_no, version, status, cause, actor, owner_id)
    SELECT n.event_id, n.seat_no, n.version, n.status, n.cause, n.actor, n.owner_id
    FROM new_seats n
             JOIN old_seats o USING (event_id, seat_no)
    WHERE n.version <> o.version
    ORDER BY n.event_id, n.seat_no;
    RETURN NULL;
END
$$;

CREATE TRIGGER seats_publish
    AFTER UPDATE ON seats
    REFERENCING OLD TABLE AS old_seats NEW TABLE AS new_seats
    FOR EACH STATEMENT
EXECUTE FUNCTION publish_seat_changes();

CREATE FUNCTION reject_end_of_feed() RETURNS trigger
    LANGUAGE plpgsql AS
$$
BEGIN
    RAISE EXCEPTION USING
        ERRCODE = 'restrict_violation',
        MESSAGE = 'the row of feed is never deleted: without it no cursor can be read';
END
$$;

-- Which feed a cursor belongs to, and from where on it is whole.
CREATE TABLE feed (
    only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    -- Random, so that a cursor of another database is recognised.
    epoch    bigint  NOT NULL DEFAULT ('x' || substr(replace(gen_random_uuid()::text, '-', ''), 1, 16))::bit(64)::bigint,
    -- Changes of transactions before this one may have been pruned.
    horizon  xid8    NOT NULL DEFAULT pg_current_xact_id()
);

INSERT INTO feed DEFAULT VALUES;

CREATE TRIGGER feed_stays
    BEFORE DELETE OR TRUNCATE ON feed
EXECUTE FUNCTION reject_end_of_feed();
