// Has pages of two other origins use an API in Chromium, in every way that a page has.
//
//   node tests/node/foreign_page.mjs BASE_URL MUTATION
//
// BASE_URL is a running usher with USHER_ALLOWED_ORIGINS=http://shop.example. MUTATION, which
// has no variables, is tried by http://evil.example alone: it must not be done, as the caller
// sees in the database. USHER_CHROMIUM names another browser.

import assert from "node:assert/strict";
import { launchChromium } from "./chromium.mjs";

const [baseUrl, mutation] = process.argv.slice(2);
if (!mutation) {
  console.error("usage: node tests/node/foreign_page.mjs BASE_URL MUTATION");
  process.exit(2);
}
const base = new URL(baseUrl).origin;
// Far longer than anything takes: a test machine is slow and full.
const WAIT_MS = 60_000;

const browser = await launchChromium(
  // Newer ones would ask a person whether a page may reach this machine at all.
  "--disable-features=LocalNetworkAccessChecks,BlockInsecurePrivateNetworkRequests",
);

try {
  const shop = await open("http://shop.example/");
  assert.deepEqual(await shop.page.evaluate(tryAll, { base, document: "{ __typename }" }), {
    read: { data: { __typename: "Query" } },
    hasId: true,
    socket: "open",
    stream: "next",
  });
  console.log("- a page of the list asks, watches and reads");

  const evil = await open("http://evil.example/");
  assert.deepEqual(await evil.page.evaluate(tryAll, { base, document: mutation }), {
    read: "TypeError",
    hasId: false,
    socket: "refused",
    stream: "refused",
  });
  await evil.page.evaluate(forge, { base, mutation });
  const posts = () => evil.answers.filter(({ method }) => method === "POST");
  // By the two forms. What fetch is answered is kept from the page, and so from here.
  const deadline = Date.now() + WAIT_MS;
  while (posts().length < 2) {
    assert.ok(Date.now() < deadline, `only ${JSON.stringify(evil.answers)}`);
    await evil.page.waitForTimeout(20);
  }
  for (const { method, type, status } of evil.answers) {
    assert.ok([403, 405, 415].includes(status), `${method} as ${type}: ${status}`);
  }
  console.log(`- a page of another origin is refused: ${evil.answers.length} times`);
  console.log("foreign_page: ok");
} finally {
  await browser.close();
}

// A page of this address, whatever there is, and how what it asks of usher is answered.
async function open(address) {
  const context = await browser.newContext();
  context.setDefaultTimeout(WAIT_MS);
  const answers = [];
  context.on("response", (response) => {
    const request = response.request();
    if (!request.url().startsWith(base)) return;
    const type = request.headers()["content-type"];
    answers.push({ method: request.method(), type, status: response.status() });
  });
  await context.route(`${address}**`, (route) =>
    route.fulfill({ contentType: "text/html", body: "<!doctype html><title>A page</title>" }),
  );
  const page = await context.newPage();
  await page.goto(address);
  return { page, answers };
}

// What a page can do and read the answer of. Runs in the page.
async function tryAll({ base, document: query }) {
  const seen = { hasId: false };
  try {
    const answer = await fetch(`${base}/graphql`, {
      method: "POST",
      headers: { "content-type": "application/json", "x-request-id": "of-a-page" },
      body: JSON.stringify({ query }),
    });
    // One of usher's own, whatever the page has sent.
    seen.hasId = /^[0-9a-f-]{36}$/.test(answer.headers.get("x-request-id"));
    seen.read = await answer.json();
  } catch (error) {
    seen.read = error.name;
  }
  seen.socket = await new Promise((done) => {
    const socket = new WebSocket(`${base.replace("http", "ws")}/graphql`, "graphql-transport-ws");
    socket.onopen = () => done("open");
    socket.onerror = () => done("refused");
  });
  seen.stream = await new Promise((done) => {
    const stream = new EventSource(`${base}/graphql/stream?query={__typename}`);
    for (const [event, outcome] of [["next", "next"], ["error", "refused"]]) {
      stream.addEventListener(event, () => {
        stream.close();
        done(outcome);
      });
    }
  });
  return seen;
}

// What a page can send without being allowed to read the answer. Runs in the page.
async function forge({ base, mutation }) {
  const url = `${base}/graphql`;
  const body = JSON.stringify({ query: mutation });
  for (const type of ["text/plain", "application/json"]) {
    // Cross-Origin-Resource-Policy keeps the page even from knowing that there was an answer.
    const headers = { "content-type": type };
    await fetch(url, { method: "POST", mode: "no-cors", headers, body }).catch(() => {});
  }
  for (const [enctype, name, value] of [
    // Makes the form's `name=value` a JSON object.
    ["text/plain", `${body.slice(0, -1)},"extensions":{"a":"`, '"}}'],
    ["application/x-www-form-urlencoded", "query", mutation],
  ]) {
    const frame = document.createElement("iframe");
    frame.name = enctype;
    const form = document.createElement("form");
    Object.assign(form, { action: url, method: "post", enctype, target: enctype });
    const input = document.createElement("input");
    Object.assign(input, { name, value });
    form.append(input);
    document.body.append(frame, form);
    form.submit();
  }
  navigator.sendBeacon(url, new Blob([body], { type: "application/json" }));
  const image = new Image();
  image.src = `${url}?query=${encodeURIComponent(mutation)}`;
  await new Promise((done) => (image.onerror = done));
}
