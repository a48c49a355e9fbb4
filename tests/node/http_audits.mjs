// Runs every audit of npm `graphql-http` against a running server.
//
//     node http_audits.mjs http://127.0.0.1:8080/graphql
//
// Prints one line for each audit and leaves with 1 unless all of them are ok. The
// optional ones (SHOULD, MAY) count like the others: usher passes them, and a change
// that loses one should be noticed.

import process from 'node:process';
import { auditServer } from 'graphql-http';

// As many as graphql-http 1.23.1 has. Fewer would mean that this looked at less than
// it says.
const FEWEST_AUDITS = 61;

const [url] = process.argv.slice(2);
if (!url) {
  console.error('usage: node http_audits.mjs URL');
  process.exit(2);
}

const results = await auditServer({ url });
let passed = 0;
for (const result of results) {
  if (result.status === 'ok') {
    passed += 1;
    console.log(`ok    ${result.id} ${result.name}`);
  } else {
    console.log(`${result.status.padEnd(5)} ${result.id} ${result.name}: ${result.reason}`);
    console.log(`      answered ${result.response.status} ${await bodyOf(result.response)}`);
  }
}
console.log(`${passed} passed, ${results.length - passed} failed`);

if (results.length < FEWEST_AUDITS) {
  console.error(`expected ${FEWEST_AUDITS} audits, graphql-http ran ${results.length}`);
  process.exit(1);
}
process.exit(passed === results.length ? 0 : 1);

async function bodyOf(response) {
  // An audit that looked at the body has read it already.
  return response.bodyUsed ? '(body already read)' : (await response.text()).slice(0, 300);
}
