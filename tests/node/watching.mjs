// What the scripts share that watch a seat map: documents, checks one by one, and events
// one by one. Each script is run by itself, on an event whose seats nobody else wants:
//
//     node graphql_sse.mjs http://127.0.0.1:8080 EVENT_ID

import assert from 'node:assert/strict';
import process from 'node:process';

export const [server, event] = process.argv.slice(2);
if (!server || !event) {
  console.error('usage: node SCRIPT SERVER_URL EVENT_ID');
  process.exit(2);
}
export const streamUrl = `${server}/graphql/stream`;
export const socketUrl = `${server.replace(/^http/, 'ws')}/graphql`;

export const WATCH = `subscription Watch($event: ID!, $after: Cursor) {
  seatMap(eventId: $event, after: $after) {
    __typename
    ... on SeatMapSnapshot { cursor seats { id version status } }
    ... on SeatMapDelta { cursor changes { seatId version status } }
  }
}`;

export const HOLD = `mutation Hold($input: HoldSeatsInput!) {
  holdSeats(input: $input) { __typename ... on SeatsHeld { token } }
}`;

// The variables of HOLD for one seat of a snapshot.
export function holding({ id, version }) {
  return { input: { eventId: event, seats: [{ seatId: id, version }] } };
}

// Far longer than anything takes: a test machine is slow and full.
const PATIENCE_MILLISECONDS = 30_000;

// Runs each check by its name, prints what it saw, and leaves with 1 if one failed.
export async function run(checks) {
  let failed = 0;
  for (const [name, check] of checks) {
    let timer;
    const late = new Promise((_, reject) => {
      timer = setTimeout(() => reject(new Error('took too long')), PATIENCE_MILLISECONDS);
    });
    try {
      const seen = await Promise.race([check(), late]);
      console.log(`ok    ${name}: ${seen}`);
    } catch (error) {
      failed += 1;
      console.log(`FAIL  ${name}: ${error.stack ?? JSON.stringify(error)}`);
    }
    clearTimeout(timer);
  }
  console.log(`${checks.length - failed} passed, ${failed} failed`);
  process.exit(failed === 0 ? 0 : 1);
}

// Results as they arrive, one by one; none is lost between two calls. `subscribe` starts
// with a sink of next, error and complete, and answers how to stop.
export function arriving(subscribe) {
  const arrived = [];
  let ended;
  let wake = () => {};
  const put = (action) => (value) => {
    action(value);
    wake();
  };
  const stop = subscribe({
    next: put((result) => arrived.push(result)),
    error: put((error) => {
      ended = error;
    }),
    complete: put(() => {
      ended ??= new Error('the operation is complete');
    }),
  });
  return {
    stop,
    next: async () => {
      while (arrived.length === 0) {
        if (ended) {
          throw ended;
        }
        await new Promise((resolve) => {
          wake = resolve;
        });
      }
      return arrived.shift();
    },
  };
}

// The map in a result, which must be without errors and of this type.
export function mapOf(result, type) {
  assert.equal(result.errors ?? result.error, undefined, JSON.stringify(result));
  assert.equal(result.data.seatMap.__typename, type);
  return result.data.seatMap;
}

// Reads deltas until one says that this seat is held now; answers all seats as they are
// then. A change that a snapshot has may come once more, at a version that is known.
export async function seesHeld(watching, seats, seat) {
  const known = new Map(seats.map(({ id, version }) => [id, version]));
  for (;;) {
    const { changes } = mapOf(await watching.next(), 'SeatMapDelta');
    const news = changes.filter(({ seatId, version }) => version > known.get(seatId));
    if (news.length > 0) {
      const now = { id: seat.id, version: seat.version + 1, status: 'HELD' };
      const seen = news.map(({ seatId, version, status }) => ({ id: seatId, version, status }));
      assert.deepEqual(seen, [now]);
      return seats.map((known) => (known.id === seat.id ? now : known));
    }
  }
}

// Those of the seats that may be had.
export function free(seats) {
  return seats.filter(({ status }) => status === 'AVAILABLE');
}
