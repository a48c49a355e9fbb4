// Watches a seat map with urql: subscriptions over the `graphql-ws` client and over the
// `graphql-sse` client, the rest by HTTP, as its documentation sets it up.
//
//     node urql.mjs http://127.0.0.1:8080 EVENT_ID

import assert from 'node:assert/strict';
import { Client, fetchExchange, subscriptionExchange } from '@urql/core';
import { createClient as createStreamClient } from 'graphql-sse';
import { createClient as createSocketClient } from 'graphql-ws';
import WebSocket from 'ws';
import {
  arriving, event, free, HOLD, holding, mapOf, run, seesHeld, server, socketUrl, streamUrl,
  WATCH,
} from './watching.mjs';

await run([
  ['urql sees a hold arrive over a WebSocket', overAWebSocket],
  ['urql sees a hold arrive over an event stream', overAnEventStream],
]);

function overAWebSocket() {
  return seesAHold(createSocketClient({ url: socketUrl, webSocketImpl: WebSocket }));
}

function overAnEventStream() {
  return seesAHold(createStreamClient({ url: streamUrl }));
}

async function seesAHold(transport) {
  const forwardSubscription = ({ query, variables }) => ({
    subscribe: (sink) => ({ unsubscribe: transport.subscribe({ query, variables }, sink) }),
  });
  const client = new Client({
    url: `${server}/graphql`,
    preferGetMethod: false,
    exchanges: [fetchExchange, subscriptionExchange({ forwardSubscription })],
  });
  const watching = arriving((sink) => {
    const results = client.subscription(WATCH, { event }).subscribe(sink.next);
    return () => results.unsubscribe();
  });
  const { seats } = mapOf(await watching.next(), 'SeatMapSnapshot');
  const [seat] = free(seats);
  const held = await client.mutation(HOLD, holding(seat)).toPromise();
  assert.equal(held.data.holdSeats.__typename, 'SeatsHeld');
  await seesHeld(watching, seats, seat);
  watching.stop();
  await transport.dispose();
  return 'a snapshot, then a delta';
}
