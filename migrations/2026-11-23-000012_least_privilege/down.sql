DROP FUNCTION prune_seat_changes(double precision, double precision, bigint, bigint);
DROP TABLE retention;
GRANT EXECUTE ON FUNCTION publish_seat_changes(), feed_origin() TO PUBLIC;
ALTER FUNCTION feed_origin() SECURITY INVOKER RESET search_path;
ALTER FUNCTION publish_seat_changes() SECURITY INVOKER RESET search_path;
