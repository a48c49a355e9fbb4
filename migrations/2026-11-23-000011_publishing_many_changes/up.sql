-- A connection keeps the plan that it made for its first UPDATE. Made for one seat, or where
-- joins by hash are not wanted, it compared each new row with each old one: seconds for some
-- thousand seats. A full join is never done so, only by hashing or by sorting. Each new row has
-- its old one, and IS DISTINCT FROM keeps it a full join: with <> it would be an inner one.
CREATE OR REPLACE FUNCTION publish_seat_changes() RETURNS trigger
    LANGUAGE plpgsql AS
$$
BEGIN
    INSERT INTO seat_changes (event_id, seat_no, version, status, cause, actor, owner_id)
    SELECT n.event_id, n.seat_no, n.version, n.status, n.cause, n.actor, n.owner_id
    FROM new_seats n
             FULL JOIN old_seats o USING (event_id, seat_no)
    WHERE n.version IS DISTINCT FROM o.version
    ORDER BY n.event_id, n.seat_no;
    RETURN NULL;
END
$$;
