-- What identifies the feed, beside the random number that is stored in it, and from
-- where on it is whole.

-- Where this feed is kept. A copy of a database brings the stored number along, but not
-- all of this: a dump that is restored elsewhere has another system or database, one
-- restored over its origin another table, and a promoted standby or a recovery to an
-- earlier moment another timeline. From there on the copy uses numbers of transactions
-- again that the original has used for something else.
--
-- What a role may not ask, or a server does not tell, is left out as "unknown": fewer
-- copies are recognised then. On a standby it fails, as writing does.
CREATE FUNCTION feed_origin() RETURNS text
    LANGUAGE plpgsql STABLE AS
$$
DECLARE
    system   text := 'unknown';
    timeline text := 'unknown';
BEGIN
    BEGIN
        SELECT system_identifier INTO system FROM pg_control_system();
    EXCEPTION
        WHEN insufficient_privilege OR undefined_function OR feature_not_supported THEN NULL;
    END;
    BEGIN
        -- Of any place in the log; the checkpoint's timeline lags behind a promotion.
        timeline := left(pg_walfile_name('0/1'), 8);
    EXCEPTION
        WHEN insufficient_privilege OR undefined_function OR feature_not_supported THEN NULL;
    END;
    RETURN format('system %s, timeline %s, database %s, table %s', system, timeline,
                  (SELECT oid FROM pg_database WHERE datname = current_database()),
                  'feed'::regclass::oid);
END
$$;

-- The feed's identity in one number: the same on every machine and in every version.
CREATE FUNCTION feed_identity(stored bigint) RETURNS bigint
    LANGUAGE sql STABLE AS
$$
SELECT ('x' || encode(substr(sha256(convert_to(stored || ', ' || feed_origin(), 'UTF8')), 1, 8),
                      'hex'))::bit(64)::bigint
$$;

-- A horizon is a number of this feed's transactions. One that came with a copy says
-- nothing here: the numbers are others, and no cursor of here is from before the copy.
ALTER TABLE feed ADD COLUMN horizon_of bigint;

CREATE FUNCTION name_feed_of_horizon() RETURNS trigger
    LANGUAGE plpgsql AS
$$
BEGIN
    NEW.horizon_of := feed_identity(NEW.epoch);
    RETURN NEW;
END
$$;

CREATE TRIGGER feed_horizon_moves
    BEFORE UPDATE OF horizon ON feed
    FOR EACH ROW
EXECUTE FUNCTION name_feed_of_horizon();
