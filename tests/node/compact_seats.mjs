// Tries the web client's decoder of compact seat maps, as usher serves it.
//
//     node compact_seats.mjs vectors http://127.0.0.1:8080/compact-seats.js VECTORS_JSON
//     node compact_seats.mjs follow http://127.0.0.1:8080 EVENT_ID HOLDS
//
// `vectors` reads what other implementations have written, and refuses what nobody
// should read. `follow` loads the event's map in its compact form only, holds and gives
// back seats, applies what the subscription says, and compares with the list of seats
// that the server answers at the end. Prints what it saw and leaves with 1 at the first
// thing that is not as it should be.

import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import process from 'node:process';
import { createClient } from 'graphql-ws';
import WebSocket from 'ws';

const [mode, ...rest] = process.argv.slice(2);
if (mode === 'vectors') {
  await tryVectors(...rest);
} else if (mode === 'follow') {
  await follow(...rest);
} else {
  console.error('usage: node compact_seats.mjs vectors|follow …');
  process.exit(2);
}

// Older Node takes a file that ends in .js for CommonJS, and imports no http: address.
async function load(url) {
  const answer = await fetch(url);
  assert.equal(answer.status, 200, url);
  assert.match(answer.headers.get('content-type'), /^text\/javascript/);
  const text = await answer.text();
  return import(`data:text/javascript,${encodeURIComponent(text)}`);
}

function listed({ STATUSES }, { statuses, versions }) {
  assert.equal(statuses.length, versions.length);
  return Array.from(statuses, (status, seatNo) => [STATUSES[status], versions[seatNo]]);
}

async function tryVectors(module, file) {
  const decoder = await load(module);
  const { STATUSES, CompactSeatsError, applyChanges, decodeChanges, decodeMap, seatId } = decoder;
  const vectors = JSON.parse(await readFile(file, 'utf8'));
  let tried = 0;
  for (const { name, seats, compact } of vectors.maps) {
    assert.deepEqual(listed(decoder, decodeMap(compact)), seats, name);
    tried += 1;
  }
  for (const { name, seats, compact } of vectors.changes) {
    const changes = decodeChanges(compact).map(({ seatNo, status, version }) =>
      [seatNo, STATUSES[status], version]);
    assert.deepEqual(changes, seats, name);
    tried += 1;
  }
  for (const { name, map, changes, seats } of vectors.applied) {
    const once = decodeMap(map);
    for (const compact of changes) applyChanges(once, compact);
    assert.deepEqual(listed(decoder, once), seats, name);
    const backwards = decodeMap(map);
    for (const compact of [...changes].reverse()) applyChanges(backwards, compact);
    assert.deepEqual(listed(decoder, backwards), seats, `${name}, backwards`);
    for (const compact of changes) {
      assert.deepEqual(applyChanges(once, compact), [], `${name}, a second time`);
    }
    tried += 1;
  }
  for (const { name, compact } of vectors.refusedMaps) {
    assert.throws(() => decodeMap(compact), CompactSeatsError, name);
    tried += 1;
  }
  const four = decodeMap(vectors.applied[0].map);
  for (const { name, compact } of vectors.refusedChanges) {
    const before = listed(decoder, four);
    assert.throws(() => applyChanges(four, compact), CompactSeatsError, name);
    assert.deepEqual(listed(decoder, four), before, `${name}: nothing is applied`);
    tried += 1;
  }
  for (const { eventId, seatNo, seatId: id } of vectors.seatIds) {
    assert.equal(seatId(eventId, seatNo), id);
    tried += 1;
  }
  for (const eventId of vectors.noEventIds) {
    assert.throws(() => seatId(eventId, 0), CompactSeatsError, eventId);
    tried += 1;
  }
  console.log(`${tried} vectors are as they should be`);
}

async function follow(url, eventId, wanted) {
  const decoder = await load(`${url}/compact-seats.js`);
  const { STATUSES, applyChanges, decodeMap, seatId } = decoder;
  const client = createClient({
    url: `${url.replace('http:', 'ws:')}/graphql`,
    webSocketImpl: WebSocket,
    retryAttempts: 0,
  });
  const events = client.iterate({
    query: `subscription ($event: ID!) { seatMap(eventId: $event) { __typename
      ... on SeatMapSnapshot { cursor compact } ... on SeatMapDelta { cursor compact } } }`,
    variables: { event: eventId },
  });
  const next = async () => {
    const { value } = await events.next();
    assert.equal(value.errors, undefined, JSON.stringify(value.errors));
    return value.data.seatMap;
  };

  const snapshot = await next();
  assert.equal(snapshot.__typename, 'SeatMapSnapshot');
  const map = decodeMap(snapshot.compact);
  const bytes = { snapshot: snapshot.compact.length, deltas: 0 };

  // Known from the compact form alone: which seats there are, and at which versions.
  const seats = Array.from(map.versions, (version, seatNo) => ({
    seatNo, seatId: seatId(eventId, seatNo), version,
  }));
  const expected = new Map();
  const hold = async (of) => {
    const input = { eventId, seats: of.map(({ seatId, version }) => ({ seatId, version })) };
    const { holdSeats } = await ask(url, `mutation ($input: HoldSeatsInput!) {
      holdSeats(input: $input) { __typename ... on SeatsHeld { token } } }`, { input });
    assert.equal(holdSeats.__typename, 'SeatsHeld');
    for (const { seatNo, version } of of) expected.set(seatNo, ['HELD', version + 1]);
    return holdSeats.token;
  };
  const release = async (token, of) => {
    const { releaseHold } = await ask(url, `mutation ($input: ReleaseHoldInput!) {
      releaseHold(input: $input) { __typename } }`, { input: { token } });
    assert.equal(releaseHold.__typename, 'SeatsReleased');
    for (const { seatNo, version } of of) expected.set(seatNo, ['AVAILABLE', version + 2]);
  };
  const arrived = () => [...expected].every(([seatNo, [status, version]]) =>
    map.versions[seatNo] === version && STATUSES[map.statuses[seatNo]] === status);
  const applied = new Set();
  for (let round = 0; round < Number(wanted); round += 1) {
    // Two that are neighbours, and one that is not.
    const of = [seats[round * 5], seats[round * 5 + 1], seats[seats.length - 1 - round]];
    const token = await hold(of);
    if (round % 2 === 1) await release(token, of);
    while (!arrived()) {
      const delta = await next();
      assert.equal(delta.__typename, 'SeatMapDelta');
      bytes.deltas += delta.compact.length;
      for (const seatNo of applyChanges(map, delta.compact)) applied.add(seatNo);
    }
  }
  assert.equal(applied.size, 3 * Number(wanted));

  const { event } = await ask(url, `query ($event: ID!) { event(id: $event) { seatMap {
    seats { id status version } compact } } }`, { event: eventId });
  const ids = event.seatMap.seats.map(({ id }) => id);
  assert.deepEqual(ids, seats.map(({ seatId }) => seatId));
  const list = event.seatMap.seats.map(({ status, version }) => [status, version]);
  assert.deepEqual(listed(decoder, map), list);
  assert.deepEqual(listed(decoder, decodeMap(event.seatMap.compact)), list);
  await client.dispose();
  console.log(`${list.length} seats are as the server has them; ${bytes.snapshot} characters of \
snapshot, ${bytes.deltas} of deltas`);
}

async function ask(url, query, variables) {
  const answer = await fetch(`${url}/graphql`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ query, variables }),
  });
  const { data, errors } = await answer.json();
  assert.equal(errors, undefined, JSON.stringify(errors));
  return data;
}
