-- What happened to one seat, for staff: the feed's key is led by time.
CREATE INDEX seat_changes_of_seat ON seat_changes (event_id, seat_no, version);
