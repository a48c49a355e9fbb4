// Watches a seat map with Apollo Client: subscriptions over the `graphql-ws` client, the
// rest by HTTP, as its documentation sets it up.
//
//     node apollo_client.mjs http://127.0.0.1:8080 EVENT_ID

import assert from 'node:assert/strict';
import { ApolloClient, ApolloLink, gql, HttpLink, InMemoryCache } from '@apollo/client/core';
import { GraphQLWsLink } from '@apollo/client/link/subscriptions';
import { createClient } from 'graphql-ws';
import { OperationTypeNode } from 'graphql';
import WebSocket from 'ws';
import {
  arriving, event, free, HOLD, holding, mapOf, run, seesHeld, server, socketUrl, WATCH,
} from './watching.mjs';

await run([['Apollo Client sees a hold arrive', seesAHold]]);

async function seesAHold() {
  const sockets = createClient({ url: socketUrl, webSocketImpl: WebSocket });
  const client = new ApolloClient({
    cache: new InMemoryCache(),
    link: ApolloLink.split(
      ({ operationType }) => operationType === OperationTypeNode.SUBSCRIPTION,
      new GraphQLWsLink(sockets),
      new HttpLink({ uri: `${server}/graphql` }),
    ),
  });
  const watching = arriving((sink) => {
    // Each message is worth something once: there is nothing to look up in a cache.
    const fetchPolicy = 'no-cache';
    const results = client.subscribe({ query: gql(WATCH), variables: { event }, fetchPolicy });
    const subscription = results.subscribe(sink);
    return () => subscription.unsubscribe();
  });
  const { seats } = mapOf(await watching.next(), 'SeatMapSnapshot');
  const [seat] = free(seats);
  const held = await client.mutate({ mutation: gql(HOLD), variables: holding(seat) });
  assert.equal(held.data.holdSeats.__typename, 'SeatsHeld');
  await seesHeld(watching, seats, seat);
  watching.stop();
  client.stop();
  await sockets.dispose();
  return 'a snapshot, then a delta';
}
