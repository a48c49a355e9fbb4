-- What was done under which idempotency key, so that a request that is sent
-- again is answered again and not done again. A row is written in the transaction
-- of the effect: it is there if and only if the effect is.
--
-- Not led by event_id: a key is its caller's, whatever the request is about.
CREATE TABLE idempotency_keys (
    -- SHA-256 of the caller and the key; the key is stored nowhere, because a
    -- hold's token is derived from it.
    key_hash   bytea       PRIMARY KEY,
    -- SHA-256 of what was asked for: another input under the same key is an error.
    input_hash bytea       NOT NULL,
    -- What is answered again; NULL only inside the transaction that does the work.
    outcome    jsonb,
    created_at timestamptz NOT NULL DEFAULT now()
);

-- What the pruner asks for.
CREATE INDEX idempotency_keys_by_age ON idempotency_keys (created_at);
