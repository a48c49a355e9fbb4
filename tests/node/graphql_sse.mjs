// Speaks to a running server with the `graphql-sse` client, in distinct connections mode.
//
//     TOKEN=… node graphql_sse.mjs http://127.0.0.1:8080 EVENT_ID
//
// TOKEN is the bearer token of a buyer, whose name is printed.

import assert from 'node:assert/strict';
import process from 'node:process';
import { createClient, NetworkError } from 'graphql-sse';
import {
  arriving, event, free, HOLD, holding, mapOf, run, seesHeld, streamUrl, WATCH,
} from './watching.mjs';

const authorization = `Bearer ${process.env.TOKEN}`;

await run([
  ['a query is answered and complete', queryIsAnswered],
  ['what is wrong with a document is a result', invalidDocumentIsAResult],
  ['a subscription sees a hold arrive', subscriptionSeesAHold],
  ['who comes back with the cursor misses nothing', comesBackWithTheCursor],
  ['a retry of the client itself goes on at the newest cursor', retryGoesOn],
  ['a bad token is refused before the stream', badTokenIsRefused],
]);

async function queryIsAnswered() {
  const { data } = await only({ query: '{ viewer { subject } }' });
  return JSON.stringify(data);
}

async function invalidDocumentIsAResult() {
  for (const query of ['{ noSuchFieldAnywhere }', '{ ', 'subscription { noSuchField }']) {
    const { errors, data } = await only({ query });
    assert.ok(errors[0].extensions.code, 'the error has no code');
    assert.equal(data, undefined);
  }
  return 'three refusals';
}

async function subscriptionSeesAHold() {
  const watching = watch();
  const { seats } = mapOf(await watching.next(), 'SeatMapSnapshot');
  const [seat] = free(seats);
  await hold(seat);
  await seesHeld(watching, seats, seat);
  watching.stop();
  return 'a snapshot, then a delta';
}

async function comesBackWithTheCursor() {
  const first = watch();
  const { seats, cursor } = mapOf(await first.next(), 'SeatMapSnapshot');
  first.stop();
  const [missed, seen] = free(seats);
  await hold(missed);
  const again = watch({ after: cursor });
  const caughtUp = await seesHeld(again, seats, missed);
  await hold(seen);
  await seesHeld(again, caughtUp, seen);
  again.stop();
  return 'what was missed, then what came';
}

// The client writes the request anew for each attempt, so that what has been put into its
// variables meanwhile is sent.
async function retryGoesOn() {
  let connection;
  const fetchFn = (url, options) => {
    connection = new AbortController();
    const signal = AbortSignal.any([options.signal, connection.signal]);
    return fetch(url, { ...options, signal });
  };
  let missed;
  const retry = () => hold(missed);
  const variables = { event };
  const watching = arriving((sink) => {
    const client = connect({ fetchFn, retry });
    return client.subscribe({ query: WATCH, variables }, sink);
  });
  const { seats, cursor } = mapOf(await watching.next(), 'SeatMapSnapshot');
  variables.after = cursor;
  [missed] = free(seats);
  connection.abort();
  await seesHeld(watching, seats, missed);
  watching.stop();
  return 'a delta and no snapshot on the second connection';
}

async function badTokenIsRefused() {
  const client = connect({ headers: { authorization: 'Bearer not-a-token' } });
  const error = await only({ query: '{ __typename }' }, client).then(
    () => assert.fail('answered'),
    (error) => error,
  );
  assert.ok(error instanceof NetworkError, String(error));
  assert.equal(error.response.status, 401);
  const { errors } = await error.response.json();
  return `${error.response.status} ${errors[0].extensions.code}`;
}

function connect(options = {}) {
  return createClient({
    url: streamUrl,
    headers: { authorization },
    retryAttempts: options.retry ? 1 : 0,
    ...options,
  });
}

function watch(variables = {}) {
  const request = { query: WATCH, variables: { event, ...variables } };
  return arriving((sink) => connect().subscribe(request, sink));
}

async function hold(seat) {
  const { data } = await only({ query: HOLD, variables: holding(seat) });
  assert.equal(data.holdSeats.__typename, 'SeatsHeld');
}

// The one result of an operation that completes.
async function only(request, client = connect()) {
  const results = [];
  for await (const result of client.iterate(request)) {
    results.push(result);
  }
  assert.equal(results.length, 1);
  return results[0];
}
