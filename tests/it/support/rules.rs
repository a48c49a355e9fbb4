//! The rules of every database that usher has written, whatever happened, each as a query.
//! The benches look for the same (`benches/load/sound.rs`), so nothing else is needed here.

/// What is broken, and the query that finds what breaks it: one text a row.
pub const RULES: [(&str, &str); 5] = [
    (
        "the versions of a seat in the feed are 2, 3, 4 … without a hole",
        "SELECT format('seat %s of event %s: %s', seat_no, event_id, \
                       array_agg(version ORDER BY version)) AS what \
         FROM seat_changes GROUP BY event_id, seat_no \
         HAVING min(version) <> 2 OR max(version) <> count(*) + 1 \
                OR count(DISTINCT version) <> count(*)",
    ),
    (
        "a seat is what the replay of the feed makes of it",
        "SELECT format('seat %s of event %s: %s at %s, the feed says %s at %s', s.seat_no, \
                       s.event_id, s.status, s.version, c.status, c.version) AS what \
         FROM seats s LEFT JOIN LATERAL ( \
             SELECT status, version FROM seat_changes c \
             WHERE c.event_id = s.event_id AND c.seat_no = s.seat_no \
             ORDER BY version DESC LIMIT 1) c ON true \
         WHERE (s.status, s.version) IS DISTINCT FROM \
               (coalesce(c.status, 'AVAILABLE'), coalesce(c.version, 1))",
    ),
    (
        "a seat that is held is in its hold, and in that one only",
        "SELECT format('seat %s of event %s is in %s active holds', s.seat_no, s.event_id, \
                       count(h.id)) AS what \
         FROM seats s LEFT JOIN ( \
             SELECT event_id, id, unnest(seat_nos) AS seat_no FROM holds \
             WHERE status = 'ACTIVE' AND expires_at > now()) h USING (event_id, seat_no) \
         WHERE s.status = 'HELD' AND s.held_until > now() \
         GROUP BY s.event_id, s.seat_no, s.owner_id \
         HAVING count(h.id) <> 1 OR max(h.id::text) <> s.owner_id::text",
    ),
    (
        "a seat that is booked is in its booking, and in that one only",
        "SELECT format('seat %s of event %s is in %s bookings', s.seat_no, s.event_id, \
                       count(b.id)) AS what \
         FROM seats s LEFT JOIN ( \
             SELECT event_id, id, unnest(seat_nos) AS seat_no FROM bookings \
             WHERE status = 'CONFIRMED') b USING (event_id, seat_no) \
         WHERE s.status = 'BOOKED' \
         GROUP BY s.event_id, s.seat_no, s.owner_id \
         HAVING count(b.id) <> 1 OR max(b.id::text) <> s.owner_id::text",
    ),
    (
        "every seat of a booking and of a running hold is that one's",
        "SELECT format('%s of event %s lacks seat %s', o.id, o.event_id, s.seat_no) AS what \
         FROM (SELECT event_id, id, unnest(seat_nos) AS seat_no FROM holds \
               WHERE status = 'ACTIVE' AND expires_at > now() \
               UNION ALL \
               SELECT event_id, id, unnest(seat_nos) FROM bookings \
               WHERE status = 'CONFIRMED') o \
              JOIN seats s USING (event_id, seat_no) \
         WHERE s.owner_id IS DISTINCT FROM o.id",
    ),
];
