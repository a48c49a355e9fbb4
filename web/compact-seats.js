// Reads the compact form of seat maps and of what changes about them, as
// docs/compact-maps.md describes it. A plain ES module that needs nothing else: pages
// import it from usher, and any other client may copy it.
//
//     import { applyChanges, decodeMap, seatId } from "/compact-seats.js";
//
//     const map = decodeMap(snapshot.compact);
//     const changed = applyChanges(map, delta.compact);
//     seatId(eventId, 7);  // for holdSeats, with map.versions[7]

/** The statuses, as the API names them; a status in a map is an index into this list. */
export const STATUSES = Object.freeze(["AVAILABLE", "HELD", "BOOKED", "BLOCKED"]);

/**
 * The states of all seats of an event. A seat is its place in the plan's order.
 *
 * @typedef {object} SeatStates
 * @property {Uint8Array} statuses Indexes into `STATUSES`.
 * @property {Int32Array} versions
 */

/** What was to be read is not what it should be: load a new map. */
export class CompactSeatsError extends Error {
  name = "CompactSeatsError";
}

const WHOLE_MAP = 1;
const CHANGES = 2;

const LARGEST_NUMBER = 2 ** 31 - 1;
const LONGEST_NUMBER = 5;
const BITS_OF_STATUS = 2;

/**
 * A whole map: `SeatMap.compact` or `SeatMapSnapshot.compact`.
 *
 * @param {string} compact
 * @returns {SeatStates}
 */
export function decodeMap(compact) {
  const reader = new Reader(compact, WHOLE_MAP);
  // No seat takes less than a byte.
  const statuses = new Uint8Array(reader.left());
  const versions = new Int32Array(reader.left());
  let seats = 0;
  while (reader.left() > 0) {
    const { status, version } = reader.state();
    statuses[seats] = status;
    versions[seats] = version;
    seats += 1;
  }
  return { statuses: statuses.slice(0, seats), versions: versions.slice(0, seats) };
}

/**
 * What has changed: `SeatMapDelta.compact`.
 *
 * @param {string} compact
 * @returns {{seatNo: number, status: number, version: number}[]} in the plan's order
 */
export function decodeChanges(compact) {
  const reader = new Reader(compact, CHANGES);
  const changes = [];
  let next = 0;
  while (reader.left() > 0) {
    const seatNo = next + reader.number();
    changes.push({ seatNo, ...reader.state() });
    next = seatNo + 1;
  }
  return changes;
}

/**
 * Brings a map up to date. Changes may come twice and in any order: a state that is not
 * newer than the one the map has is ignored. All of them are applied, or none and an
 * error is thrown.
 *
 * @param {SeatStates} map
 * @param {string} compact
 * @returns {number[]} the seats that have changed, to be painted anew
 */
export function applyChanges(map, compact) {
  const changes = decodeChanges(compact);
  const last = changes.at(-1);
  if (last && last.seatNo >= map.versions.length) {
    throw new CompactSeatsError(`the map has no seat ${last.seatNo}`);
  }
  const newer = changes.filter(({ seatNo, version }) => version > map.versions[seatNo]);
  for (const { seatNo, status, version } of newer) {
    map.statuses[seatNo] = status;
    map.versions[seatNo] = version;
  }
  return newer.map(({ seatNo }) => seatNo);
}

/**
 * The global id of a seat, as `Seat.id` has it: usher promises that it follows from the
 * event's id and the seat's place in the plan's order.
 *
 * @param {string} eventId `Event.id`
 * @param {number} seatNo
 * @returns {string}
 */
export function seatId(eventId, seatNo) {
  const number = /^Event:(\d+)$/.exec(fromBase64Url(eventId))?.[1];
  if (!number) {
    throw new CompactSeatsError(`${JSON.stringify(eventId)} is not the id of an event`);
  }
  return toBase64Url(`Seat:${number}:${seatNo}`);
}

/** Goes through the bytes of a compact form. */
class Reader {
  #bytes;
  #at = 1;

  constructor(compact, format) {
    this.#bytes = decodeBase64(compact);
    if (this.#bytes.length === 0 || this.#bytes.charCodeAt(0) !== format) {
      throw new CompactSeatsError(`not in format ${format}`);
    }
  }

  /** How many bytes have not been read. */
  left() {
    return this.#bytes.length - this.#at;
  }

  /** A number in LEB128. It may have more than 32 bits, which `<<` and `|` would lose. */
  number() {
    let number = 0;
    for (let place = 0; place < LONGEST_NUMBER && this.left() > 0; place += 1) {
      const byte = this.#bytes.charCodeAt(this.#at);
      this.#at += 1;
      number += (byte & 0x7f) * 2 ** (7 * place);
      if (byte < 0x80) return number;
    }
    throw new CompactSeatsError("a number does not end");
  }

  /** The state of a seat. */
  state() {
    const number = this.number();
    const status = number & (2 ** BITS_OF_STATUS - 1);
    const version = (number - status) / 2 ** BITS_OF_STATUS;
    if (version < 1 || version > LARGEST_NUMBER) {
      throw new CompactSeatsError(`there is no version ${version}`);
    }
    return { status, version };
  }
}

/** A text with a character of one byte for each byte. */
function decodeBase64(text) {
  try {
    return atob(text);
  } catch {
    throw new CompactSeatsError("not base64");
  }
}

const fromBase64Url = (text) => decodeBase64(text.replaceAll("-", "+").replaceAll("_", "/"));

const toBase64Url = (text) =>
  btoa(text).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
