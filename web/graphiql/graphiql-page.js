// Starts GraphiQL against the usher that served this page.
//
// It owns the token, the ready-made tabs and the bar above them, and nothing of
// GraphiQL itself. It must never ask any other host for anything.

/* global GraphiQL, React, ReactDOM */

const API_PATH = "/graphql";
const TOKEN_KEY = "usher:token";
const HANDED_OUT_KEY = "usher:graphiql-examples";
const HANDED_OUT_LIMIT = 60;
const START_TIMEOUT_MS = 5000;
const TOKEN_GOES_HERE = "run HoldTwoSeats first";

async function start() {
  addEventListener("hashchange", () => takeTokenFromAddress() && location.reload());
  element("fresh-examples").addEventListener("click", () => location.reload());
  element("forget-token").addEventListener("click", forgetToken);

  takeTokenFromAddress();
  if (typeof GraphiQL === "undefined") {
    element("graphiql").firstElementChild.textContent = "GraphiQL’s own files did not load.";
    return;
  }
  // One answer must not wait for the other, and neither may keep GraphiQL closed.
  showCaller();
  openGraphiql(await prepareExamples());
}

// --- Who calls ---------------------------------------------------------------

// The terminal prints a link with `#token=…`: a fragment never reaches a server
// or its logs, and it leaves the address bar so that a shared or bookmarked
// address gives nothing away. An empty token signs out.
function takeTokenFromAddress() {
  const fragment = new URLSearchParams(location.hash.slice(1));
  if (!fragment.has("token")) return false;
  const token = fragment.get("token").trim();
  if (token) sessionStorage.setItem(TOKEN_KEY, token);
  else sessionStorage.removeItem(TOKEN_KEY);
  history.replaceState(history.state, "", location.pathname + location.search);
  return true;
}

function forgetToken() {
  sessionStorage.removeItem(TOKEN_KEY);
  location.reload();
}

// The same entry goes into the HTTP headers and into `connection_init`.
function credentials() {
  const token = sessionStorage.getItem(TOKEN_KEY);
  return token ? { authorization: `Bearer ${token}` } : {};
}

async function showCaller() {
  const hasToken = sessionStorage.getItem(TOKEN_KEY) !== null;
  const badge = element("caller");
  element("forget-token").hidden = !hasToken;
  badge.classList.toggle("known", hasToken);
  try {
    const { viewer } = await ask("query Caller { viewer { role } }");
    const role = viewer.role.toLowerCase();
    badge.textContent = role.charAt(0).toUpperCase() + role.slice(1);
  } catch (problem) {
    badge.textContent = hasToken ? "Token not accepted" : "Visitor";
    badge.title = problem.message;
  }
}

// --- The API -----------------------------------------------------------------

function requestHeaders() {
  return { accept: "application/graphql-response+json, application/json", ...credentials() };
}

async function ask(query) {
  const response = await fetchJson(API_PATH, {
    method: "POST",
    headers: { "content-type": "application/json", ...requestHeaders() },
    body: JSON.stringify({ query }),
    signal: AbortSignal.timeout(START_TIMEOUT_MS),
  });
  const { data, errors } = await response.json();
  if (errors?.length) throw new Error(errors[0].message);
  return data;
}

// GraphiQL parses whatever comes back. What is not JSON, such as the error page
// of a proxy, would show as a syntax error and hide the status.
async function fetchJson(address, options) {
  const response = await fetch(address, options);
  if (!/json/.test(response.headers.get("content-type") ?? "")) {
    throw new Error(`HTTP ${response.status} ${response.statusText}`.trim());
  }
  return response;
}

function socketAddress() {
  const address = new URL(API_PATH, location.href);
  address.protocol = address.protocol.replace("http", "ws");
  return address.href;
}

// --- Examples ----------------------------------------------------------------

// In the order of the tabs. Ids are opaque, so each writes its variables from
// what is on sale now, or from nothing when that is unknown.
const EXAMPLES = [
  { name: "LookAtAMap", file: "look-at-a-map", variables: () => null },
  {
    name: "HoldTwoSeats",
    file: "hold-two-seats",
    variables: (sale) => holdVariables(sale, sale.seats.slice(0, 2)),
  },
  {
    name: "ProvokeAConflict",
    file: "provoke-a-conflict",
    // Other seats than above, so that these two tabs run in either order.
    variables: (sale) => holdVariables(sale, sale.seats.slice(2, 4)),
  },
  { name: "Subscribe", file: "subscribe", variables: (sale) => ({ eventId: sale.eventId }) },
  { name: "BookIt", file: "book-it", variables: () => bookVariables(TOKEN_GOES_HERE) },
];

const NOTHING_ON_SALE = { eventId: "", seats: [] };

function holdVariables(sale, seats) {
  return {
    input: {
      eventId: sale.eventId,
      seats: seats.map(({ id, version }) => ({ seatId: id, version })),
    },
  };
}

function bookVariables(token) {
  return { input: { token } };
}

async function prepareExamples() {
  const [sale, texts] = await Promise.all([
    findSale(),
    Promise.all(EXAMPLES.map(({ file }) => exampleText(file))),
  ]);
  return EXAMPLES.map(({ name, variables }, index) => ({
    name,
    query: texts[index],
    variables: variablesText(variables(sale)),
  })).filter(({ query }) => query !== null);
}

// A missing example costs its tab and not the page.
async function exampleText(file) {
  try {
    const response = await fetch(`/graphiql/examples/${file}.graphql`);
    return response.ok ? (await response.text()).trimEnd() : null;
  } catch {
    return null;
  }
}

// The first event on sale that still has seats enough for both hold examples,
// or the first on sale at all.
async function findSale() {
  try {
    const { events } = await ask(`
      query SeatsForTheExamples {
        events(first: 5, filter: { status: ON_SALE }) {
          nodes {
            id
            name
            venue { name }
            seats(first: 4, filter: { status: AVAILABLE }) { nodes { id version } }
          }
        }
      }`);
    const event = events.nodes.find(({ seats }) => seats.nodes.length === 4) ?? events.nodes[0];
    if (!event) {
      notice("No event is on sale: the examples have no seats to name.", "trouble");
      return NOTHING_ON_SALE;
    }
    notice(`The examples use “${event.name}”, ${event.venue.name}`);
    return { eventId: event.id, seats: event.seats.nodes };
  } catch (problem) {
    notice(`The API did not say what is on sale: ${problem.message}`, "trouble");
    return NOTHING_ON_SALE;
  }
}

function variablesText(variables) {
  return variables === null ? "" : JSON.stringify(variables, null, 2);
}

// --- Tabs --------------------------------------------------------------------

// Examples are made anew on each load, because yesterday's ids and versions only
// fail. What somebody typed stays: every saved tab that is not word for word an
// example this browser was given before is put behind the new ones. The list of
// given examples holds those of earlier loads too, since two windows share one
// storage and each saves the tabs that it opened with.
//
// GraphiQL reads its tabs from localStorage once, when it starts, and opens the
// one that equals `graphiql:query` and `graphiql:variables`; so they are written
// before that. (Its own `defaultTabs` leaves the first tab without variables.)
function saveTabsForStart(examples) {
  const saved = readJson("graphiql:tabState") ?? {};
  const savedTabs = (saved.tabs ?? []).filter(({ query }) => query?.trim());
  const savedActive = saved.tabs?.[saved.activeTabIndex];
  const handedOut = readJson(HANDED_OUT_KEY) ?? [];

  const exampleTabs = examples.map(tabState);
  const ownTabs = savedTabs.filter((tab) => !handedOut.includes(contents(tab)));
  const tabs = [...exampleTabs, ...ownTabs];
  const active =
    ownTabs.find((tab) => tab === savedActive) ??
    exampleTabs.find((tab) => tab.query === savedActive?.query) ??
    tabs[0];

  rememberHandedOut(exampleTabs);
  localStorage.setItem(
    "graphiql:tabState",
    JSON.stringify({ tabs, activeTabIndex: Math.max(tabs.indexOf(active), 0) }),
  );
  localStorage.setItem("graphiql:query", active?.query ?? "");
  localStorage.setItem("graphiql:variables", active?.variables ?? "");
  localStorage.removeItem("graphiql:headers");
}

function tabState({ name, query, variables }) {
  return {
    id: `example-${name}`,
    title: name,
    operationName: name,
    query,
    variables,
    headers: null,
    response: null,
  };
}

function contents({ query, variables }) {
  return JSON.stringify([query, variables ?? ""]);
}

function rememberHandedOut(tabs) {
  const known = new Set([...tabs.map(contents), ...(readJson(HANDED_OUT_KEY) ?? [])]);
  localStorage.setItem(HANDED_OUT_KEY, JSON.stringify([...known].slice(0, HANDED_OUT_LIMIT)));
}

function readJson(key) {
  try {
    return JSON.parse(localStorage.getItem(key));
  } catch {
    return null;
  }
}

// --- GraphiQL ----------------------------------------------------------------

let newestHoldToken = null;

function openGraphiql(examples) {
  saveTabsForStart(examples);
  const send = GraphiQL.createFetcher({
    url: API_PATH,
    headers: requestHeaders(),
    fetch: fetchJson,
    subscriptionUrl: socketAddress(),
    wsConnectionParams: credentials(),
    // usher has no @defer, and with it GraphiQL would not send the headers above alone.
    enableIncrementalDelivery: false,
  });
  const fetcher = async (request, options) => {
    const result = await send(...withCurrentOperation(request, options));
    newestHoldToken = holdTokenOf(result) ?? newestHoldToken;
    return result;
  };
  const bookIt = examples.find(({ name }) => name === "BookIt");
  ReactDOM.createRoot(element("graphiql")).render(
    React.createElement(
      GraphiQL,
      {
        fetcher,
        defaultQuery: "",
        defaultEditorToolsVisibility: true,
        // A header typed by hand may be a token: it is not written to disk.
        shouldPersistHeaders: false,
      },
      bookIt && React.createElement(HoldTokenFiller, { bookIt }),
    ),
  );
}

// GraphiQL works out the operation a moment after the text has changed. Whoever
// runs a tab straight after opening it would send the name of the one before, and
// a subscription would go out as a query.
function withCurrentOperation(request, options) {
  const { parse, Kind } = GraphiQL.GraphQL;
  try {
    const documentAST = parse(request.query);
    const names = documentAST.definitions
      .filter(({ kind }) => kind === Kind.OPERATION_DEFINITION)
      .map(({ name }) => name?.value);
    const operationName = names.includes(request.operationName) ? request.operationName : names[0];
    return [{ ...request, operationName }, { ...options, documentAST }];
  } catch {
    // What does not parse is for the server to explain.
    return [request, options];
  }
}

function holdTokenOf(result) {
  const answers = Object.values(result?.data ?? {});
  return answers.find((answer) => answer?.__typename === "SeatsHeld")?.token ?? null;
}

// Writes the newest hold's token into the BookIt tab when that is opened, as long
// as nobody has put something else there.
function HoldTokenFiller({ bookIt }) {
  const { tabs, activeTabIndex, variableEditor } = GraphiQL.React.useEditorContext({
    nonNull: true,
  });
  const { id, query } = tabs[activeTabIndex];
  React.useEffect(() => {
    if (!variableEditor || !newestHoldToken || query !== bookIt.query) return;
    const tab = { query, variables: variableEditor.getValue() };
    if (!(readJson(HANDED_OUT_KEY) ?? []).includes(contents(tab))) return;
    const variables = variablesText(bookVariables(newestHoldToken));
    rememberHandedOut([{ query, variables }]);
    variableEditor.setValue(variables);
  }, [id, query, variableEditor, bookIt]);
  return null;
}

// --- The page ----------------------------------------------------------------

function element(id) {
  return document.getElementById(id);
}

function notice(text, kind = "") {
  const place = element("notice");
  place.textContent = text;
  place.title = text;
  place.className = `notice ${kind}`.trim();
}

// Last, since the constants above must exist by then.
await start();
