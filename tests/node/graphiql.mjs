// Drives /graphiql in Chromium as a person would, by keyboard where there is a key.
//
//   node tests/node/graphiql.mjs BASE_URL [SCREENSHOT.png]
//
// BASE_URL is a running usher with an event on sale and at least eight free seats;
// two of them end up booked. USHER_CHROMIUM names another browser;
// USHER_STAFF_TOKEN adds the checks that need a token.

import assert from "node:assert/strict";
import { buildClientSchema, getIntrospectionQuery, parse, validate } from "graphql";
import { launchChromium } from "./chromium.mjs";

const [baseUrl, screenshot] = process.argv.slice(2);
if (!baseUrl) {
  console.error("usage: node tests/node/graphiql.mjs BASE_URL [SCREENSHOT.png]");
  process.exit(2);
}
const base = new URL(baseUrl);
const staffToken = process.env.USHER_STAFF_TOKEN;
const TABS = ["LookAtAMap", "HoldTwoSeats", "ProvokeAConflict", "Subscribe", "BookIt"];
// Far longer than anything takes: a test machine is slow and full.
const WAIT_MS = 60_000;
const WIDE = { width: 1440, height: 860 };
const NARROW = { width: 1280, height: 720 };

const problems = [];
const requests = new Set();

const browser = await launchChromium(
  // Whatever the page asks of another host fails, even where there is a network.
  `--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE ${base.hostname}`,
);

try {
  const context = await browser.newContext({ viewport: WIDE });
  context.setDefaultTimeout(WAIT_MS);
  const page = await watchedPage(context);

  await step("the first page says how to ask this server", () => showsItsOwnAddress(page));
  await step("the page opens with its examples", () => opens(page));
  await step("every example is valid for the schema", () => examplesAreValid(page));
  await step("no comment is cut off on a small screen", () => commentsAreWhole(page));
  await step("a map is shown", () => showsMap(page));
  await step("a subscription shows a snapshot, then another's hold", () => followsMap(page));
  await step("a conflict is provoked", () => provokesConflict(page));
  await step("two seats are held and booked", () => holdsAndBooks(page));
  await step("a reload keeps what was typed and renews the rest", () => keepsTyping(page));
  if (staffToken) await step("a staff token is taken from the link", () => takesToken(context));
  await step("nothing left this host, nothing complained", async () => {
    assert.equal(problems.length, 0, "see below");
    return `${requests.size} addresses, all of ${base.host}`;
  });
  console.log("graphiql: ok");
} catch (failure) {
  console.error(`graphiql: FAILED: ${failure.message}`);
  for (const problem of new Set(problems)) console.error(`  the browser said: ${problem}`);
  process.exitCode = 1;
} finally {
  await browser.close();
}

async function step(title, run) {
  try {
    const saw = await run();
    console.log(`- ${title}${saw ? `: ${saw}` : ""}`);
  } catch (failure) {
    throw new Error(`${title}: ${failure.message}`, { cause: failure });
  }
}

// --- The steps ---------------------------------------------------------------

// The command is there to be pasted, so that it must name this server, whatever its port.
async function showsItsOwnAddress(page) {
  await page.goto(base.href);
  const origin = page.locator("#origin");
  await origin.filter({ hasText: base.origin }).waitFor();
  const command = await page.locator("pre").innerText();
  assert.ok(command.startsWith(`curl ${base.origin}/graphql `), command);
  return command.split("\n")[0];
}

async function opens(page) {
  const response = await page.goto(new URL("/graphiql", base).href);
  assert.equal(response.status(), 200);
  const policy = response.headers()["content-security-policy"] ?? "";
  assert.match(policy, /default-src 'none'/, "the page is served without its policy");
  assert.match(policy, /script-src 'self'(;|$)/, "the policy lets other scripts in");

  await page.locator(".graphiql-query-editor .CodeMirror").waitFor();
  const titles = await page.locator(".graphiql-tab-button").allTextContents();
  assert.deepEqual(titles, TABS);
  const caller = page.locator("#caller");
  await caller.filter({ hasText: "Visitor" }).waitFor();
  const notice = await page.locator("#notice").textContent();
  assert.match(notice, /^The examples use /);
  return `${titles.join(", ")}; ${await caller.textContent()}; ${notice}`;
}

async function examplesAreValid(page) {
  const schema = buildClientSchema(await ask(getIntrospectionQuery()));
  for (const title of TABS) {
    await openTab(page, title);
    const errors = validate(schema, parse(await queryText(page)));
    assert.deepEqual(errors.map(({ message }) => `${title}: ${message}`), []);
  }
}

async function commentsAreWhole(page) {
  await page.setViewportSize(NARROW);
  for (const title of TABS) {
    await openTab(page, title);
    const cutOff = await page.locator(".graphiql-query-editor .CodeMirror").evaluate((editor) => {
      const { right } = editor.getBoundingClientRect();
      const lines = editor.CodeMirror.getValue().split("\n");
      return lines.filter((text, line) => {
        const end = editor.CodeMirror.charCoords({ line, ch: text.length }, "window");
        return text.startsWith("#") && end.left > right;
      });
    });
    assert.deepEqual(cutOff, [], title);
  }
  await page.setViewportSize(WIDE);
}

async function showsMap(page) {
  await openTab(page, "LookAtAMap");
  await run(page);
  const { data } = await answer(page, ({ data }) => data?.events);
  const [event] = data.events.nodes;
  assert.ok(event.seatMap.seats.length > 0, "the map has no seats");
  return `${event.name}, ${event.seatMap.seats.length} seats at ${event.seatMap.cursor}`;
}

async function followsMap(page) {
  await openTab(page, "Subscribe");
  await run(page);
  const { data } = await answer(page, ({ data }) => data?.seatMap?.__typename === "SeatMapSnapshot");
  const snapshot = data.seatMap;

  const { eventId } = JSON.parse(await variablesText(page));
  const seats = seatsLeftByExamples(snapshot.seats);
  const delta = await watchForDelta(page, seats.map(({ id }) => id));
  const { holdSeats } = await ask(
    `mutation ($input: HoldSeatsInput!) {
       holdSeats(input: $input) { __typename ... on SeatsHeld { token } ... on Refusal { message } }
     }`,
    { input: { eventId, seats: seats.map(({ id, version }) => ({ seatId: id, version })) } },
  );
  const answeredAt = performance.timeOrigin + performance.now();
  assert.equal(holdSeats.__typename, "SeatsHeld", holdSeats.message);
  const { shownAt, changes } = await delta.evaluate(({ shown }) => shown);
  assert.deepEqual(
    changes.map(({ seatId, status, version }) => [seatId, status, version]).sort(),
    seats.map(({ id, version }) => [id, "HELD", version + 1]).sort(),
  );
  await release(holdSeats.token);
  await stop(page);
  const lag = (shownAt - answeredAt).toFixed(1);
  return `snapshot of ${snapshot.seats.length} (${snapshot.reason}); delta in the page ${lag} ms after the mutation's answer`;
}

async function provokesConflict(page) {
  await openTab(page, "ProvokeAConflict");
  await run(page);
  const { data } = await answer(page, ({ data }) => data?.slowBuyer);
  assert.equal(data.quickBuyer.__typename, "SeatsHeld", data.quickBuyer.message);
  assert.equal(data.slowBuyer.__typename, "SeatConflict", data.slowBuyer.message);
  assert.equal(data.slowBuyer.conflicts.length, 2, "a conflict names every seat that was lost");
  await page.locator(".result-window .CodeMirror-code", { hasText: "SeatConflict" }).waitFor();
  // The picture of the README.
  if (screenshot) await page.screenshot({ path: screenshot });
  await release(data.quickBuyer.token);
  return data.slowBuyer.message;
}

async function holdsAndBooks(page) {
  await openTab(page, "HoldTwoSeats");
  await run(page);
  const held = await answer(page, ({ data }) => data?.holdSeats);
  assert.equal(held.data.holdSeats.__typename, "SeatsHeld", held.data.holdSeats.message);

  await openTab(page, "BookIt");
  const { input } = JSON.parse(await variablesText(page));
  assert.equal(input.token, held.data.holdSeats.token, "the tab does not hold the newest token");
  await run(page);
  const { data } = await answer(page, ({ data }) => data?.confirmHold);
  assert.ok(data.confirmHold.booking, data.confirmHold.message);
  return `reference ${data.confirmHold.booking.reference}`;
}

async function keepsTyping(page) {
  const typed = "query MyOwn { viewer { __typename } }";
  await page.locator(".graphiql-tab-add").click();
  await page.locator(".graphiql-query-editor .CodeMirror").click();
  await page.keyboard.insertText(typed);
  await condition(page, (text) => localStorage.getItem("graphiql:tabState")?.includes(text), typed);
  await page.reload();
  await page.locator(".graphiql-query-editor .CodeMirror").waitFor();
  const titles = await page.locator(".graphiql-tab-button").allTextContents();
  assert.deepEqual(titles, [...TABS, "MyOwn"]);
  assert.equal(await queryText(page), typed, "another tab is open than before");
  await run(page);
  await answer(page, ({ data }) => data?.viewer);

  // The two seats that were just booked must not be offered again.
  await openTab(page, "HoldTwoSeats");
  await run(page);
  const { data } = await answer(page, ({ data }) => data?.holdSeats);
  assert.equal(data.holdSeats.__typename, "SeatsHeld", data.holdSeats.message);
  await release(data.holdSeats.token);
  return titles.join(", ");
}

async function takesToken(context) {
  const page = await watchedPage(context);
  const authorized = page.waitForRequest(
    (request) => request.headers().authorization === `Bearer ${staffToken}`,
  );
  const greeting = new Promise((resolve) => {
    page.on("websocket", (socket) =>
      socket.on("framesent", ({ payload }) => {
        const message = JSON.parse(payload);
        if (message.type === "connection_init") resolve(message.payload);
      }),
    );
  });
  await page.goto(new URL(`/graphiql#token=${encodeURIComponent(staffToken)}`, base).href);
  await authorized;
  await page.locator("#caller", { hasText: "Staff" }).waitFor();
  assert.equal(page.url(), new URL("/graphiql", base).href, "the token stays in the address bar");
  await page.locator(".graphiql-query-editor .CodeMirror").waitFor();
  await openTab(page, "Subscribe");
  await run(page);
  await answer(page, ({ data }) => data?.seatMap);
  assert.deepEqual(await greeting, { authorization: `Bearer ${staffToken}` });
  await stop(page);
  await page.locator("#forget-token").click();
  await page.locator("#caller", { hasText: "Visitor" }).waitFor();
  await page.close();
}

// --- The page ----------------------------------------------------------------

async function watchedPage(context) {
  const page = await context.newPage();
  const note = (address) => {
    const { protocol, host, origin, pathname } = new URL(address);
    if (protocol === "data:" || protocol === "blob:") return;
    requests.add(origin + pathname);
    if (host !== base.host) problems.push(`asked another host: ${address}`);
  };
  page.on("request", (request) => note(request.url()));
  page.on("websocket", (socket) => note(socket.url()));
  page.on("response", (response) => {
    if (response.status() >= 400) problems.push(`HTTP ${response.status()} ${response.url()}`);
  });
  page.on("console", (message) => {
    if (message.type() === "error") problems.push(`console: ${message.text()}`);
  });
  page.on("pageerror", (error) => problems.push(`page: ${error.message}`));
  await page.exposeFunction("reportViolation", (text) => problems.push(`policy: ${text}`));
  await page.addInitScript(() =>
    addEventListener("securitypolicyviolation", (event) =>
      window.reportViolation(`${event.violatedDirective} forbids ${event.blockedURI}`),
    ),
  );
  return page;
}

async function openTab(page, title) {
  await page.locator(".graphiql-tab-button", { hasText: title }).click();
  await condition(
    page,
    (name) =>
      document
        .querySelector(".graphiql-query-editor .CodeMirror")
        .CodeMirror.getValue()
        .includes(` ${name}`),
    title,
  );
}

async function run(page) {
  await page.locator(".graphiql-query-editor .CodeMirror").click();
  await page.keyboard.press("Control+Enter");
}

// Leaving a tab ends its subscription as well; this is the button for it.
async function stop(page) {
  await page.locator(".graphiql-execute-button").click();
  await page.locator(".graphiql-execute-button[aria-label^='Execute']").waitFor();
}

function queryText(page) {
  return page.locator(".graphiql-query-editor .CodeMirror").evaluate(codeMirrorText);
}

// The headers' editor follows the variables' in the same box.
function variablesText(page) {
  return page.locator(".graphiql-editor-tool .CodeMirror").first().evaluate(codeMirrorText);
}

function codeMirrorText(editor) {
  return editor.CodeMirror.getValue();
}

// The first answer in the response pane that is what the step waits for. Errors end
// the wait at once: nothing better will come.
async function answer(page, wanted) {
  const until = Date.now() + WAIT_MS;
  let text = "";
  while (Date.now() < until) {
    text = await nextResponse(page, text, until - Date.now());
    let response;
    try {
      response = JSON.parse(text);
    } catch {
      continue;
    }
    if (response.errors) throw new Error(`the answer has errors: ${JSON.stringify(response.errors)}`);
    if (wanted(response)) return response;
  }
  throw new Error(`the response pane never showed it, but: ${text.slice(0, 300) || "nothing"}`);
}

// What the response pane holds as soon as it differs from `before`, or `before`
// when the time is up.
function nextResponse(page, before, timeout) {
  return page.locator(".result-window .CodeMirror").evaluate(
    (pane, { before, timeout }) =>
      new Promise((resolve) => {
        const look = () => {
          const text = pane.CodeMirror.getValue();
          if (text === before) return false;
          finish(text);
          return true;
        };
        const observer = new MutationObserver(look);
        const timer = setTimeout(() => finish(before), timeout);
        function finish(text) {
          clearTimeout(timer);
          observer.disconnect();
          resolve(text);
        }
        if (!look()) observer.observe(pane, { subtree: true, childList: true, characterData: true });
      }),
    { before, timeout },
  );
}

// Starts to look, and only then returns: a delta can be in the page before the
// mutation is answered. The `shown` of the result settles when all of these seats
// have been in a delta that stands in the DOM, with the time of the last of them.
function watchForDelta(page, seatIds) {
  return page.locator(".result-window .CodeMirror").evaluateHandle(
    (pane, { seatIds, timeout }) => {
      const changes = new Map();
      const { promise: shown, resolve, reject } = Promise.withResolvers();
      const observer = new MutationObserver(() => {
        if (!pane.textContent.includes("SeatMapDelta")) return;
        const { seatMap } = JSON.parse(pane.CodeMirror.getValue()).data;
        for (const change of seatMap.changes) {
          if (seatIds.includes(change.seatId)) changes.set(change.seatId, change);
        }
        if (changes.size === seatIds.length) {
          observer.disconnect();
          resolve({
            shownAt: performance.timeOrigin + performance.now(),
            changes: [...changes.values()],
          });
        }
      });
      observer.observe(pane, { subtree: true, childList: true, characterData: true });
      setTimeout(() => reject(new Error("the hold never arrived as a delta")), timeout);
      shown.catch(() => {});
      return { shown };
    },
    { seatIds, timeout: WAIT_MS },
  );
}

async function condition(page, predicate, argument) {
  await page.waitForFunction(predicate, argument, { timeout: WAIT_MS });
}

// --- The API, without the page -----------------------------------------------

async function ask(query, variables) {
  const response = await fetch(new URL("/graphql", base), {
    method: "POST",
    headers: {
      "content-type": "application/json",
      accept: "application/graphql-response+json, application/json",
    },
    body: JSON.stringify({ query, variables }),
  });
  const { data, errors } = await response.json();
  if (errors) throw new Error(`the API answered ${JSON.stringify(errors)}`);
  return data;
}

async function release(token) {
  await ask("mutation ($input: ReleaseHoldInput!) { releaseHold(input: $input) { __typename } }", {
    input: { token },
  });
}

// The last two free seats of the map: the examples name the first four.
function seatsLeftByExamples(seats) {
  const free = seats.filter(({ status }) => status === "AVAILABLE");
  assert.ok(free.length >= 8, `the event has ${free.length} free seats and this needs eight`);
  return free.slice(-2);
}
