-- The feed of all events in commit order: what a follower reads. The key is led
-- by the event, and each process follows all of them at once.
CREATE INDEX seat_changes_in_order ON seat_changes (transaction_id, id);
