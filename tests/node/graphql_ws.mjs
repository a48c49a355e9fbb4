// Speaks to a running server as browsers do: with the `graphql-ws` client.
//
//     node graphql_ws.mjs ws://127.0.0.1:8080/graphql 'subscription { … }' ['{"id":"…"}']
//
// The subscription must send a first event soon after it starts, and must not end by
// itself; its variables are the optional third argument. What else may be set:
//
//     QUERY      a query to run over the socket          { __typename }
//     TRIGGER    a query or mutation after which the subscription sends one more event
//     UNHEARD    a mutation after which it would send one more, too, if it had not ended
//     MISSED     a mutation to run while the client is away: the subscription, which must
//                ask for a map's `cursor` and take it as `$after`, then sends a delta
//     TOKEN      a bearer token for all connections but the refused one
//     BAD_TOKEN  a token that the server must refuse     not-a-token
//
// Prints what it saw and leaves with 1 at the first thing that is not as it should be.

import assert from 'node:assert/strict';
import process from 'node:process';
import { createClient } from 'graphql-ws';
import WebSocket from 'ws';

const [url, subscription, variables = '{}'] = process.argv.slice(2);
if (!url || !subscription) {
  console.error('usage: node graphql_ws.mjs WS_URL SUBSCRIPTION_DOCUMENT [VARIABLES]');
  process.exit(2);
}
const { QUERY = '{ __typename }', TRIGGER, UNHEARD, MISSED, TOKEN, BAD_TOKEN = 'not-a-token' } = process.env;
const subscribePayload = { query: subscription, variables: JSON.parse(variables) };

// Far longer than anything takes: a test machine is slow and full.
const PATIENCE_MILLISECONDS = 30_000;
const open = new Set();

const checks = [
  ['a query is answered over the socket', queryIsAnswered],
  ['a document that does not fit the schema is an error', invalidDocumentIsAnError],
  ['a subscription receives', subscriptionReceives],
  ['after unsubscribing the socket goes on', unsubscribedSocketGoesOn],
  ['a bad token closes with 4403', badTokenIsForbidden],
  ['the client comes back after its connection broke', clientReconnects],
  ...(MISSED ? [['a retry of the client itself goes on at the newest cursor', retryGoesOn]] : []),
];

let failed = 0;
for (const [name, check] of checks) {
  try {
    const seen = await soon(check(), name);
    console.log(`ok    ${name}: ${seen}`);
  } catch (error) {
    failed += 1;
    console.log(`FAIL  ${name}: ${error.stack ?? describe(error)}`);
  }
  await Promise.all([...open].map((client) => client.dispose()));
  open.clear();
}
console.log(`${checks.length - failed} passed, ${failed} failed`);
process.exit(failed === 0 ? 0 : 1);

async function queryIsAnswered() {
  const result = await runOnce(connect(), { query: QUERY });
  assert.equal(result.errors, undefined, JSON.stringify(result.errors));
  assert.ok(result.data, 'there is no data');
  return JSON.stringify(result.data);
}

async function invalidDocumentIsAnError() {
  const client = connect();
  for (const query of ['{ noSuchFieldAnywhere }', '{ ']) {
    const errors = await refusalOf(client, { query });
    assert.ok(Array.isArray(errors), `no list of errors but ${describe(errors)}`);
    assert.ok(errors[0].extensions.code, 'the error has no code');
  }
  // The connection must have survived both.
  await runOnce(client, { query: QUERY });
  return 'two refusals and an answer on one connection';
}

async function subscriptionReceives() {
  const client = connect();
  const events = listen(client);
  const first = await events.next();
  assert.equal(first.errors, undefined, JSON.stringify(first.errors));
  if (!TRIGGER) {
    return JSON.stringify(first.data).slice(0, 120);
  }
  const triggered = await runOnce(client, { query: TRIGGER });
  assert.equal(triggered.errors, undefined, JSON.stringify(triggered.errors));
  const second = await events.next();
  assert.equal(second.errors, undefined, JSON.stringify(second.errors));
  return `${JSON.stringify(first.data).slice(0, 80)}, then ${JSON.stringify(second.data).slice(0, 120)}`;
}

async function unsubscribedSocketGoesOn() {
  const client = connect({ lazyCloseTimeout: PATIENCE_MILLISECONDS });
  const events = listen(client);
  await events.next();
  events.stop();
  await runOnce(client, { query: QUERY });
  // The server has read the `complete` before the query. The client library would hide
  // late events, so this counts what comes over the wire.
  const received = client.nextMessages();
  if (UNHEARD) {
    const other = connect();
    const heard = listen(other);
    await heard.next();
    const done = await runOnce(other, { query: UNHEARD });
    assert.equal(done.errors, undefined, JSON.stringify(done.errors));
    await heard.next();
  }
  // What others have heard of would be here before this answer.
  await runOnce(client, { query: QUERY });
  assert.equal(client.nextMessages(), received + 1, 'events arrived after unsubscribing');
  assert.equal(client.connections(), 1, 'the connection was not kept');
  return 'answers, and nothing else';
}

async function badTokenIsForbidden() {
  const client = connect({
    connectionParams: { authorization: `Bearer ${BAD_TOKEN}` },
    retryAttempts: 0,
  });
  const event = await refusalOf(client, { query: QUERY });
  assert.equal(event.code, 4403, `not a 4403 but ${describe(event)}`);
  assert.equal(event.reason, 'Forbidden: the token is not valid here');
  return `${event.code} ${event.reason}`;
}

async function clientReconnects() {
  const client = connect({ retryAttempts: 3, retryWait: () => Promise.resolve() });
  const events = listen(client);
  await events.next();
  client.breakConnection();
  const again = await events.next();
  assert.equal(again.errors, undefined, JSON.stringify(again.errors));
  assert.equal(client.connections(), 2);
  return `${client.connections()} connections, and an event on the second`;
}

// The client writes the request anew for each attempt, so that what has been put into its
// variables meanwhile is sent.
async function retryGoesOn() {
  const payload = { ...subscribePayload, variables: { ...subscribePayload.variables } };
  const retryWait = () => runOnce(connect(), { query: MISSED });
  const client = connect({ retryAttempts: 3, retryWait });
  const events = listen(client, payload);
  const { data } = await events.next();
  payload.variables.after = data.seatMap.cursor;
  client.breakConnection();
  const { data: missed } = await events.next();
  assert.equal(missed.seatMap.__typename, 'SeatMapDelta', JSON.stringify(missed));
  return 'a delta and no snapshot on the second connection';
}

// A client that counts its connections and results, and can tear the newest one down.
function connect(options = {}) {
  let connections = 0;
  let nextMessages = 0;
  let socket;
  const client = createClient({
    url,
    webSocketImpl: WebSocket,
    connectionParams: TOKEN ? { authorization: `Bearer ${TOKEN}` } : undefined,
    retryAttempts: 0,
    ...options,
    on: {
      connected: (newest) => {
        connections += 1;
        socket = newest;
      },
      message: ({ type }) => {
        nextMessages += type === 'next' ? 1 : 0;
      },
    },
  });
  open.add(client);
  return Object.assign(client, {
    connections: () => connections,
    nextMessages: () => nextMessages,
    breakConnection: () => socket.terminate(),
  });
}

// The one result of a query or mutation.
function runOnce(client, payload) {
  return new Promise((resolve, reject) => {
    let result;
    client.subscribe(payload, {
      next: (value) => {
        result = value;
      },
      error: (error) => reject(new Error(describe(error))),
      complete: () => resolve(result),
    });
  });
}

// What the sink's `error` gets: a list of GraphQL errors or a close event.
function refusalOf(client, payload) {
  return new Promise((resolve, reject) => {
    client.subscribe(payload, {
      next: (value) => reject(new Error(`answered with ${JSON.stringify(value)}`)),
      error: resolve,
      complete: () => reject(new Error('completed')),
    });
  });
}

// Events of the subscription under test, one by one; none is lost between two calls.
function listen(client, payload = subscribePayload) {
  const arrived = [];
  let failure;
  let wake = () => {};
  const stop = client.subscribe(payload, {
    next: (event) => {
      arrived.push(event);
      wake();
    },
    error: (error) => {
      failure = new Error(describe(error));
      wake();
    },
    complete: () => {
      failure = new Error('the subscription completed');
      wake();
    },
  });
  return {
    stop,
    next: async () => {
      while (arrived.length === 0) {
        if (failure) {
          throw failure;
        }
        await new Promise((resolve) => {
          wake = resolve;
        });
      }
      return arrived.shift();
    },
  };
}

function soon(promise, name) {
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`took too long: ${name}`)), PATIENCE_MILLISECONDS);
  });
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}

function describe(error) {
  if (error?.code !== undefined && error?.reason !== undefined) {
    return `close ${error.code} ${error.reason}`;
  }
  return error instanceof Error ? error.message : JSON.stringify(error);
}
