DROP TRIGGER feed_horizon_moves ON feed;
DROP FUNCTION name_feed_of_horizon();
ALTER TABLE feed DROP COLUMN horizon_of;
DROP FUNCTION feed_identity(bigint);
DROP FUNCTION feed_origin();
