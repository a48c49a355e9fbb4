//! What seats cost: fixed when they are taken, whatever becomes of the event's prices.

use crate::domain::DomainError;
use crate::domain::event_view::EventView;
use crate::model::ids::SeatNo;

/// Adds seats to a hold or booking at the event's prices; keeps both lists in the
/// plan's order.
///
/// # Errors
/// When the event has no price for one, which cannot be.
pub fn add(
    event: &EventView,
    seat_nos: &mut Vec<SeatNo>,
    amounts: &mut Vec<i64>,
    added: impl IntoIterator<Item = SeatNo>,
) -> Result<(), DomainError> {
    let mut priced: Vec<(SeatNo, i64)> = std::mem::take(seat_nos)
        .into_iter()
        .zip(std::mem::take(amounts))
        .collect();
    for seat_no in added {
        let price = event
            .seat(seat_no)
            .and_then(|place| event.price(place.category))
            .ok_or(DomainError::NotFound {
                what: "price of a seat",
            })?;
        priced.push((seat_no, price.amount_minor));
    }
    priced.sort_unstable();
    (*seat_nos, *amounts) = priced.into_iter().unzip();
    Ok(())
}

/// Takes seats out of a hold or booking, with what they cost; answers the sum.
pub fn remove(seat_nos: &mut Vec<SeatNo>, amounts: &mut Vec<i64>, removed: &[SeatNo]) -> i64 {
    let mut sum = 0;
    let priced = std::mem::take(seat_nos)
        .into_iter()
        .zip(std::mem::take(amounts));
    for (seat_no, amount) in priced {
        if removed.contains(&seat_no) {
            sum += amount;
        } else {
            seat_nos.push(seat_no);
            amounts.push(amount);
        }
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::remove;

    #[test]
    fn what_is_taken_out_takes_its_price_along() {
        let (mut seat_nos, mut amounts) = (vec![1, 4, 9], vec![100, 400, 900]);
        assert_eq!(remove(&mut seat_nos, &mut amounts, &[9, 1]), 1_000);
        assert_eq!((seat_nos, amounts), (vec![4], vec![400]));
    }
}
