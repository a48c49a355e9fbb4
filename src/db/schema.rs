//! The tables, as the migrations make them; a test compares the two.
#![allow(missing_docs, reason = "the columns are described in the migrations")]
#![allow(clippy::wildcard_imports, reason = "as the macro's manual has it")]

use diesel::{allow_tables_to_appear_in_same_query, table};

table! {
    venues (id) {
        id -> BigInt,
        version -> Integer,
        name -> Text,
        time_zone -> Text,
        created_at -> Timestamptz,
    }
}

table! {
    seating_plans (id) {
        id -> BigInt,
        name -> Text,
        width -> Double,
        height -> Double,
        seat_count -> Integer,
        created_at -> Timestamptz,
    }
}

table! {
    plan_categories (plan_id, category_no) {
        plan_id -> BigInt,
        category_no -> Integer,
        name -> Text,
        color -> Text,
    }
}

table! {
    plan_zones (plan_id, zone_no) {
        plan_id -> BigInt,
        zone_no -> Integer,
        name -> Text,
        kind -> Text,
        x -> Double,
        y -> Double,
        areas -> Jsonb,
    }
}

table! {
    plan_seats (plan_id, seat_no) {
        plan_id -> BigInt,
        seat_no -> Integer,
        guid -> Text,
        zone_no -> Integer,
        row_no -> Nullable<Integer>,
        row_label -> Nullable<Text>,
        number -> Nullable<Text>,
        label -> Text,
        category_no -> Integer,
        accessible -> Bool,
        x -> Nullable<Double>,
        y -> Nullable<Double>,
    }
}

table! {
    events (id) {
        id -> BigInt,
        version -> Integer,
        venue_id -> BigInt,
        plan_id -> BigInt,
        name -> Text,
        status -> Text,
        starts_at -> Timestamptz,
        sale_starts_at -> Nullable<Timestamptz>,
        sale_ends_at -> Nullable<Timestamptz>,
        currency -> Text,
        hold_seconds -> Integer,
        max_seats_per_hold -> Integer,
        created_at -> Timestamptz,
        ends_at -> Nullable<Timestamptz>,
        hold_total_seconds -> Integer,
        max_seats_per_buyer -> Nullable<Integer>,
        max_holds_per_buyer -> Nullable<Integer>,
        orphan_rule -> Text,
    }
}

table! {
    event_prices (event_id, category_no) {
        event_id -> BigInt,
        category_no -> Integer,
        amount_minor -> BigInt,
    }
}

table! {
    seats (event_id, seat_no) {
        event_id -> BigInt,
        seat_no -> Integer,
        version -> Integer,
        status -> Text,
        owner_id -> Nullable<Uuid>,
        held_until -> Nullable<Timestamptz>,
        cause -> Text,
        actor -> Text,
    }
}

table! {
    holds (event_id, id) {
        event_id -> BigInt,
        id -> Uuid,
        token_hash -> Bytea,
        buyer -> Nullable<Text>,
        status -> Text,
        seat_nos -> Array<Integer>,
        amounts -> Array<BigInt>,
        currency -> Text,
        expires_at -> Timestamptz,
        created_at -> Timestamptz,
    }
}

table! {
    use diesel::sql_types::*;
    use crate::db::transaction_id::Xid8;

    bookings (event_id, id) {
        event_id -> BigInt,
        id -> Uuid,
        version -> Integer,
        reference -> Text,
        hold_id -> Nullable<Uuid>,
        token_hash -> Nullable<Bytea>,
        buyer -> Nullable<Text>,
        status -> Text,
        seat_nos -> Array<Integer>,
        amounts -> Array<BigInt>,
        currency -> Text,
        payment_reference -> Nullable<Text>,
        transaction_id -> Xid8,
        created_at -> Timestamptz,
    }
}

table! {
    use diesel::sql_types::*;
    use crate::db::transaction_id::Xid8;

    seat_changes (event_id, transaction_id, id) {
        event_id -> BigInt,
        transaction_id -> Xid8,
        id -> BigInt,
        seat_no -> Integer,
        version -> Integer,
        status -> Text,
        cause -> Text,
        actor -> Text,
        owner_id -> Nullable<Uuid>,
        changed_at -> Timestamptz,
    }
}

table! {
    use diesel::sql_types::*;
    use crate::db::transaction_id::Xid8;

    feed (only_row) {
        only_row -> Bool,
        epoch -> BigInt,
        horizon -> Xid8,
        horizon_of -> Nullable<BigInt>,
    }
}

table! {
    retention (only_row) {
        only_row -> Bool,
        resume_window_seconds -> BigInt,
        history_retention_seconds -> BigInt,
        history_changes -> Nullable<BigInt>,
    }
}

table! {
    idempotency_keys (key_hash) {
        key_hash -> Bytea,
        input_hash -> Bytea,
        outcome -> Nullable<Jsonb>,
        created_at -> Timestamptz,
    }
}

allow_tables_to_appear_in_same_query!(events, seats, plan_seats, event_prices);
allow_tables_to_appear_in_same_query!(feed, seat_changes);
