-- Holds and bookings carry the numbers of their seats in an array: a hold is
-- one row however many seats it has, and the seats are found by their key.
-- amounts[i] is the price of seat_nos[i], fixed when it was held.

CREATE TABLE holds (
    event_id   bigint      NOT NULL,
    id         uuid        NOT NULL,
    -- SHA-256 of the secret in the hold's token; the token is stored nowhere.
    token_hash bytea       NOT NULL,
    -- The subject of the buyer's token; NULL for an anonymous one.
    buyer      text,
    status     text        NOT NULL DEFAULT 'ACTIVE'
        CHECK (status IN ('ACTIVE', 'RELEASED', 'CONFIRMED', 'LAPSED')),
    seat_nos   integer[]   NOT NULL,
    amounts    bigint[]    NOT NULL,
    currency   text        NOT NULL,
    expires_at timestamptz NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (event_id, id),
    CHECK (cardinality(seat_nos) = cardinality(amounts))
);

-- What the sweeper asks for: the holds that lapse next.
CREATE INDEX holds_lapsing ON holds (expires_at) WHERE status = 'ACTIVE';

CREATE TABLE bookings (
    event_id          bigint      NOT NULL,
    id                uuid        NOT NULL,
    version           integer     NOT NULL DEFAULT 1,
    reference         text        NOT NULL,
    -- The hold that was confirmed, and its token's hash: whoever had the hold
    -- may look at the booking.
    hold_id           uuid,
    token_hash        bytea,
    buyer             text,
    status            text        NOT NULL DEFAULT 'CONFIRMED'
        CHECK (status IN ('CONFIRMED', 'CANCELLED')),
    seat_nos          integer[]   NOT NULL,
    amounts           bigint[]    NOT NULL,
    currency          text        NOT NULL,
    payment_reference text,
    -- Where its seats were booked in the change feed: a hold that is confirmed
    -- again is answered with the booking and the cursor of the first time.
    transaction_id    xid8        NOT NULL DEFAULT pg_current_xact_id(),
    created_at        timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (event_id, id),
    UNIQUE (event_id, reference),
    -- A hold becomes one booking, however often it is confirmed.
    UNIQUE (event_id, hold_id),
    CHECK (cardinality(seat_nos) = cardinality(amounts))
);

CREATE TRIGGER bookings_version_step
    BEFORE UPDATE ON bookings
    FOR EACH ROW
    WHEN (NEW.version <> OLD.version + 1)
EXECUTE FUNCTION reject_version_step();
