-- usher can work as a role that owns nothing: one that sells seats, and can neither change
-- tables nor what is written in the feed. What it needs of the feed beyond reading is done by
-- functions with the rights of the tables' owner.
--
-- Such a function looks for names in this schema alone: whoever calls it may have put tables of
-- the same names elsewhere, temporary ones not excepted. And nobody else may use it unasked: with
-- EXECUTE on the trigger's function anybody could hang it on a table of their own, and have
-- it write into the feed what they like.
DO
$$
    BEGIN
        EXECUTE format('ALTER FUNCTION publish_seat_changes() SECURITY DEFINER SET search_path = %I, pg_temp',
                       current_schema());
        -- What names the feed must not depend on who asks: the horizon is moved as the owner.
        EXECUTE format('ALTER FUNCTION feed_origin() SECURITY DEFINER SET search_path = %I, pg_temp',
                       current_schema());
    END
$$;
REVOKE ALL ON FUNCTION publish_seat_changes(), feed_origin() FROM PUBLIC;

-- How long changes are kept from everybody but the owner of the tables. `usher migrate` writes
-- its settings here, so that who has taken over a server cannot have it forget what it did.
CREATE TABLE retention (
    only_row                  boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    resume_window_seconds     bigint NOT NULL DEFAULT 24 * 3600,
    history_retention_seconds bigint NOT NULL DEFAULT 400 * 24 * 3600,
    -- NULL for no bound.
    history_changes           bigint
);

INSERT INTO retention DEFAULT VALUES;

-- Deletes the oldest changes that are not kept any more, at most so many, and moves the horizon
-- behind them; answers how many. A change is not kept when it is older than the retention, or
-- when it is both beyond the number of newest ones and older than the window.
--
-- Search and deletion walk the index that is led by transaction_id, which is about the order of
-- age, and stop at the first change that is kept. There is no index on changed_at: it would cost
-- every change of a seat, and only this would ever read it.
CREATE FUNCTION prune_seat_changes(window_seconds double precision, retention_seconds double precision,
                                   newest_changes bigint, at_most bigint) RETURNS bigint
    LANGUAGE plpgsql SECURITY DEFINER AS
$$
DECLARE
    moment             timestamptz := clock_timestamp();
    owner              oid         := (SELECT relowner FROM pg_class WHERE oid = 'seat_changes'::regclass);
    made_before        timestamptz;
    beyond_made_before timestamptz;
    newest_beyond      bigint;
    state              record;
    part               record;
    change             record;
    last               record;
    pruned             bigint;
BEGIN
    IF NOT pg_has_role(session_user, owner, 'USAGE') THEN
        -- No less is kept than the owner says. GREATEST passes over NULL.
        SELECT greatest(window_seconds, r.resume_window_seconds),
               greatest(retention_seconds, r.history_retention_seconds),
               CASE WHEN r.history_changes IS NOT NULL AND newest_changes IS NOT NULL
                        THEN greatest(newest_changes, r.history_changes) END
        INTO STRICT window_seconds, retention_seconds, newest_changes
        FROM retention r;
    END IF;
    made_before := moment - make_interval(secs => retention_seconds);
    beyond_made_before := moment - make_interval(secs => window_seconds);
    -- Numbers are given in the order of time; some are lost to transactions that were rolled
    -- back, so that these are at most as many changes. Counting would read them all.
    newest_beyond := (SELECT last_value FROM seat_changes_id_seq) - newest_changes;

    SELECT feed_identity(epoch) AS identity,
           CASE WHEN horizon_of = feed_identity(epoch) THEN horizon ELSE '0'::xid8 END AS pruned_before,
           pg_snapshot_xmin(pg_current_snapshot()) AS ended_before,
           pg_snapshot_xmax(pg_current_snapshot()) AS next
    INTO STRICT state FROM feed;

    FOR part IN
        -- Of transactions that have ended: before one that is old nothing will appear. The one
        -- before the horizon may be deleted in part.
        SELECT greatest(state.pruned_before::text::numeric - 1, 0)::text::xid8 AS first,
               state.ended_before AS ends_before, true AS is_of_here
        UNION ALL
        -- What came with a dump from where the numbers were higher. No cursor of here is from
        -- before the dump, so that the horizon says nothing about it.
        SELECT state.next, NULL, false
    LOOP
        last := NULL;
        FOR change IN
            SELECT c.transaction_id, c.id, c.changed_at FROM seat_changes c
            WHERE c.transaction_id >= part.first
              AND (part.ends_before IS NULL OR c.transaction_id < part.ends_before)
            ORDER BY c.transaction_id, c.id
            LIMIT at_most
        LOOP
            EXIT WHEN (change.changed_at < made_before
                OR change.id <= newest_beyond AND change.changed_at < beyond_made_before) IS NOT TRUE;
            last := change;
        END LOOP;
        CONTINUE WHEN last IS NULL;
        IF part.is_of_here THEN
            -- Never back; one that came with a copy of another database is none.
            UPDATE feed SET horizon = (last.transaction_id::text::numeric + 1)::text::xid8
            WHERE horizon_of IS DISTINCT FROM state.identity
               OR horizon::text::numeric <= last.transaction_id::text::numeric;
        END IF;
        DELETE FROM seat_changes c
        WHERE c.transaction_id >= part.first
          AND c.transaction_id <= last.transaction_id
          AND (c.transaction_id < last.transaction_id OR c.id <= last.id)
          -- Asked again: in a range of numbers that were still to come, something may have.
          AND (c.changed_at < made_before
            OR c.id <= newest_beyond AND c.changed_at < beyond_made_before);
        GET DIAGNOSTICS pruned = ROW_COUNT;
        RETURN pruned;
    END LOOP;
    RETURN 0;
END
$$;

DO
$$
    BEGIN
        EXECUTE format('ALTER FUNCTION prune_seat_changes(double precision, double precision, bigint, bigint) '
                       'SET search_path = %I, pg_temp', current_schema());
    END
$$;
REVOKE ALL ON FUNCTION prune_seat_changes(double precision, double precision, bigint, bigint) FROM PUBLIC;
