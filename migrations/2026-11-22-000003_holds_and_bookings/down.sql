DROP TABLE bookings;
DROP TABLE holds;
