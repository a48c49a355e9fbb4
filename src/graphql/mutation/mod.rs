//! `Mutation`: one file for each.

mod box_office;
mod cancel_booking;
mod change_sale;
mod confirm_hold;
mod create_event;
mod create_venue;
mod exchange_seats;
mod extend_hold;
mod hold_best_available;
mod hold_seats;
mod import_seating_plan;
mod release_hold;
mod seats_held;
mod update_event;
mod update_venue;

use async_graphql::MergedObject;

/// What can be done. A refusal is part of the result; `errors` are for input
/// that makes no sense and for what failed.
#[derive(MergedObject, Default)]
pub struct Mutation(
    hold_seats::HoldSeatsMutation,
    hold_best_available::HoldBestAvailableMutation,
    extend_hold::ExtendHoldMutation,
    release_hold::ReleaseHoldMutation,
    confirm_hold::ConfirmHoldMutation,
    exchange_seats::ExchangeSeatsMutation,
    cancel_booking::CancelBookingMutation,
    create_venue::CreateVenueMutation,
    update_venue::UpdateVenueMutation,
    import_seating_plan::ImportSeatingPlanMutation,
    create_event::CreateEventMutation,
    update_event::UpdateEventMutation,
    change_sale::ChangeSaleMutation,
    box_office::BoxOfficeMutation,
);
