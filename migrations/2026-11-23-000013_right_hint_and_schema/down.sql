-- For the rest of the transaction: the function is replaced where it is, wherever that is.
DO
$$
    BEGIN
        PERFORM set_config('search_path', format('%s, %s', relnamespace::regnamespace, current_setting('search_path')), true)
        FROM pg_class WHERE oid = 'seats'::regclass;
    END
$$;

-- Where the functions look for names stays: before, it was this or wrong.
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
        HINT = CASE TG_OP WHEN 'UPDATE' THEN 'Set version = version + 1 in the same UPDATE.' END;
END
$$;
