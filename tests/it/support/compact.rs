//! Reads the compact form of seat maps, which usher itself only writes: another
//! decoder than the web client's.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use usher::model::status::SeatStatus;

/// Every seat of a map, in the plan's order.
pub fn decode_map(compact: &str) -> Vec<(SeatStatus, i32)> {
    let bytes = STANDARD.decode(compact).unwrap();
    let (format, mut rest) = bytes.split_first().unwrap();
    assert_eq!(*format, 1, "a whole map");
    let mut states = Vec::new();
    while !rest.is_empty() {
        states.push(state(&mut rest));
    }
    states
}

/// Seats that have changed.
pub fn decode_changes(compact: &str) -> Vec<(i32, SeatStatus, i32)> {
    let bytes = STANDARD.decode(compact).unwrap();
    let (format, mut rest) = bytes.split_first().unwrap();
    assert_eq!(*format, 2, "changes");
    let mut changes = Vec::new();
    let mut next = 0;
    while !rest.is_empty() {
        let seat_no = next + i32::try_from(number(&mut rest)).unwrap();
        let (status, version) = state(&mut rest);
        changes.push((seat_no, status, version));
        next = seat_no + 1;
    }
    changes
}

fn state(bytes: &mut &[u8]) -> (SeatStatus, i32) {
    let state = number(bytes);
    let status = match state % 4 {
        0 => SeatStatus::Available,
        1 => SeatStatus::Held,
        2 => SeatStatus::Booked,
        _ => SeatStatus::Blocked,
    };
    (status, i32::try_from(state / 4).unwrap())
}

fn number(bytes: &mut &[u8]) -> u64 {
    let length = 1 + bytes.iter().position(|byte| byte & 0x80 == 0).unwrap();
    let (digits, rest) = bytes.split_at(length);
    *bytes = rest;
    let digit = |number, byte: &u8| number << 7 | u64::from(byte & 0x7f);
    digits.iter().rev().fold(0, digit)
}
