DROP TABLE seats;
DROP FUNCTION reject_seat();
