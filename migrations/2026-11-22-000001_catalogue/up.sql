-- What is sold: venues, immutable seating plans, and events on them.

-- Every editable record carries a version that goes up by exactly 1 with every
-- update, so that two editors can never overwrite one another unnoticed. The
-- rule stands in the database: a hand-written UPDATE cannot break it either.
CREATE FUNCTION reject_version_step() RETURNS trigger
    LANGUAGE plpgsql AS
$$
BEGIN
    RAISE EXCEPTION USING
        ERRCODE = 'check_violation',
        CONSTRAINT = TG_TABLE_NAME || '_version_step',
        TABLE = TG_TABLE_NAME,
        MESSAGE = format('the version of a row of %s must go from %s to %s, not to %s',
                         TG_TABLE_NAME, OLD.version, OLD.version + 1, NEW.version),
        HINT = 'Set version = version + 1 in the same UPDATE.';
END
$$;

CREATE TABLE venues (
    id         bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    version    integer     NOT NULL DEFAULT 1,
    name       text        NOT NULL CHECK (name <> ''),
    time_zone  text        NOT NULL CHECK (time_zone <> ''),
    created_at timestamptz NOT NULL DEFAULT now()
);

CREATE TRIGGER venues_version_step
    BEFORE UPDATE ON venues
    FOR EACH ROW
    WHEN (NEW.version <> OLD.version + 1)
EXECUTE FUNCTION reject_version_step();

-- A plan and all that belongs to it is never updated: a change makes a new
-- plan. Numbers of categories, zones and seats are their places in the plan's
-- document, from 0, so that they fit an array.
CREATE TABLE seating_plans (
    id         bigint           GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name       text             NOT NULL CHECK (name <> ''),
    width      double precision NOT NULL,
    height     double precision NOT NULL,
    seat_count integer          NOT NULL CHECK (seat_count > 0),
    created_at timestamptz      NOT NULL DEFAULT now()
);

CREATE TABLE plan_categories (
    plan_id     bigint  NOT NULL REFERENCES seating_plans,
    category_no integer NOT NULL,
    name        text    NOT NULL,
    color       text    NOT NULL,
    PRIMARY KEY (plan_id, category_no),
    UNIQUE (plan_id, name)
);

CREATE TABLE plan_zones (
    plan_id bigint           NOT NULL REFERENCES seating_plans,
    zone_no integer          NOT NULL,
    name    text             NOT NULL,
    kind    text             NOT NULL CHECK (kind IN ('SEATED', 'GENERAL_ADMISSION')),
    x       double precision NOT NULL,
    y       double precision NOT NULL,
    areas   jsonb            NOT NULL,
    PRIMARY KEY (plan_id, zone_no)
);

-- No foreign keys from here: 60,000 rows are written in one transaction that
-- has just written what they point to.
CREATE TABLE plan_seats (
    plan_id     bigint  NOT NULL,
    seat_no     integer NOT NULL,
    guid        text    NOT NULL,
    zone_no     integer NOT NULL,
    row_no      integer,
    row_label   text,
    number      text,
    label       text    NOT NULL,
    category_no integer NOT NULL,
    accessible  boolean NOT NULL,
    x           double precision,
    y           double precision,
    PRIMARY KEY (plan_id, seat_no)
);

CREATE FUNCTION reject_change_of_plan() RETURNS trigger
    LANGUAGE plpgsql AS
$$
BEGIN
    RAISE EXCEPTION USING
        ERRCODE = 'restrict_violation',
        MESSAGE = format('%s is immutable: a change makes a new plan', TG_TABLE_NAME);
END
$$;

CREATE TRIGGER seating_plans_immutable
    BEFORE UPDATE ON seating_plans
EXECUTE FUNCTION reject_change_of_plan();
CREATE TRIGGER plan_categories_immutable
    BEFORE UPDATE ON plan_categories
EXECUTE FUNCTION reject_change_of_plan();
CREATE TRIGGER plan_zones_immutable
    BEFORE UPDATE ON plan_zones
EXECUTE FUNCTION reject_change_of_plan();
CREATE TRIGGER plan_seats_immutable
    BEFORE UPDATE ON plan_seats
EXECUTE FUNCTION reject_change_of_plan();

CREATE TABLE events (
    id                 bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    version            integer     NOT NULL DEFAULT 1,
    venue_id           bigint      NOT NULL REFERENCES venues,
    plan_id            bigint      NOT NULL REFERENCES seating_plans,
    name               text        NOT NULL CHECK (name <> ''),
    status             text        NOT NULL DEFAULT 'DRAFT'
        CHECK (status IN ('DRAFT', 'ON_SALE', 'CLOSED', 'CANCELLED')),
    starts_at          timestamptz NOT NULL,
    sale_starts_at     timestamptz,
    sale_ends_at       timestamptz,
    currency           text        NOT NULL CHECK (currency ~ '^[A-Z]{3}$'),
    hold_seconds       integer     NOT NULL CHECK (hold_seconds > 0),
    max_seats_per_hold integer     NOT NULL CHECK (max_seats_per_hold > 0),
    created_at         timestamptz NOT NULL DEFAULT now(),
    CHECK (sale_starts_at < sale_ends_at)
);

CREATE TRIGGER events_version_step
    BEFORE UPDATE ON events
    FOR EACH ROW
    WHEN (NEW.version <> OLD.version + 1)
EXECUTE FUNCTION reject_version_step();

CREATE TABLE event_prices (
    event_id     bigint  NOT NULL REFERENCES events,
    category_no  integer NOT NULL,
    amount_minor bigint  NOT NULL CHECK (amount_minor >= 0),
    PRIMARY KEY (event_id, category_no)
);
