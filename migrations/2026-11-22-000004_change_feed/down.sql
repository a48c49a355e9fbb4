DROP TRIGGER seats_publish ON seats;
DROP FUNCTION publish_seat_changes();
DROP TABLE feed;
DROP FUNCTION reject_end_of_feed();
DROP TABLE seat_changes;
DROP FUNCTION reject_change_of_feed();
