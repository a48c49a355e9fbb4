CREATE OR REPLACE FUNCTION publish_seat_changes() RETURNS trigger
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
