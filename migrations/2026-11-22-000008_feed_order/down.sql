DROP INDEX seat_changes_in_order;
