-- For the rest of the transaction: the function is replaced where it is, wherever that is.
DO
$$
    BEGIN
        PERFORM set_config('search_path', format('%s, %s', relnamespace::regnamespace, current_setting('search_path')), true)
        FROM pg_class WHERE oid = 'seats'::regclass;
    END
$$;

-- A hint that is NULL is an error of its own, which hid what was wrong.
CREATE OR REPLACE FUNCTION reject_seat() RETURNS trigger
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
        HINT = CASE TG_OP
            WHEN 'INSERT' THEN 'Insert it without version and status, and change it afterwards.'
            WHEN 'UPDATE' THEN 'Set version = version + 1 in the same UPDATE.'
            ELSE 'Cancel its event, or block it.'
        END;
END
$$;

-- Functions with the rights of the owner look for names where the tables are. The first schema of
-- the path was written down instead, and that is another one as soon as there is a schema that
-- is called as the owner of the tables. What was made there is brought to the tables.
DO
$$
    DECLARE
        home  regnamespace := (SELECT relnamespace FROM pg_class WHERE oid = 'seats'::regclass);
        moved regprocedure;
    BEGIN
        IF (SELECT relnamespace FROM pg_class WHERE oid = 'retention'::regclass) <> home THEN
            EXECUTE format('ALTER TABLE retention SET SCHEMA %s', home);
        END IF;
        FOREACH moved IN ARRAY ARRAY [
            'publish_seat_changes()', 'feed_origin()',
            'prune_seat_changes(double precision, double precision, bigint, bigint)']::regprocedure[]
        LOOP
            IF (SELECT pronamespace FROM pg_proc WHERE oid = moved) <> home THEN
                EXECUTE format('ALTER FUNCTION %s SET SCHEMA %s', moved, home);
            END IF;
            EXECUTE format('ALTER FUNCTION %s SET search_path = %s, pg_temp', moved, home);
        END LOOP;
    END
$$;
