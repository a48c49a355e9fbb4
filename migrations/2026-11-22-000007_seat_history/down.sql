DROP INDEX seat_changes_of_seat;
