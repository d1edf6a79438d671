// The page: five cards, each of which shows one thing that passes through Headwall, and who has answered.

// === What all cards have ===

/** Says how something stands: green, amber or red. */
function say(pill, text, tone = "") {
  pill.textContent = text;
  pill.className = `pill ${tone}`;
}

const one = (selector, within = document) => within.querySelector(selector);
const [worker, front, app] = ["#worker", "#front", "#app"].map((id) => one(id));

function card(id, onSubmit) {
  const section = one(`#${id}`);
  const form = one("form", section);
  form?.addEventListener("submit", (event) => {
    event.preventDefault();
    onSubmit();
  });
  const find = (selector) => one(selector, section);
  return { section, form, find, say: (text, tone) => say(find("h2 .pill"), text, tone) };
}

function element(name, text, className = "") {
  const made = document.createElement(name);
  made.textContent = text;
  made.className = className;
  return made;
}

/** The app never says these: they are what Headwall answers when it does not ask the app, or gets nothing from it. */
const HEADWALLS = [429, 502, 503, 504];

/** Calls the API; takes note of who is there. */
async function call(path, options) {
  try {
    const reply = await fetch(path, { cache: "no-store", ...options });
    say(front, "up", "good");
    if (reply.status !== 429) HEADWALLS.includes(reply.status) ? say(app, "down", "bad") : say(app, "up", "good");
    return reply;
  } catch (error) {
    nobody();
    throw error;
  }
}

function nobody() {
  say(front, "no answer", "bad");
  say(app, "out of reach", "bad");
}

const answeredBy = (status) => (HEADWALLS.includes(status) ? "Headwall" : "the app");

// === API ===

const hello = card("hello", ask);

async function ask() {
  const begun = performance.now();
  try {
    const reply = await call("/api/hello");
    const took = Math.max(1, Math.round(performance.now() - begun));
    hello.say(`${reply.status} from ${answeredBy(reply.status)} in ${took} ms`, reply.ok ? "good" : "bad");
    const answer = await reply.json();
    const lines = reply.ok ? Object.entries(answer.headers) : [["error", answer.error]];
    hello.find("dl").replaceChildren(...lines.flatMap(([name, value]) => [element("dt", name), element("dd", value)]));
  } catch {
    hello.say("nobody answers", "bad");
  }
}

// === Login ===

const login = card("login", tryLogin);
const guess = login.find("button.quiet");

async function tryLogin() {
  const { user, password } = Object.fromEntries(new FormData(login.form));
  try {
    const reply = await call("/api/cloud/login", {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ user, password }),
    });
    const wait = reply.headers.get("retry-after");
    const tone = reply.ok ? "good" : reply.status === 429 ? "bad" : "warn";
    login.say(`${reply.status} from ${answeredBy(reply.status)}${wait ? `, try again in ${wait} s` : ""}`, tone);
    const tries = login.find(".tries");
    const answer = element("li", answeredBy(reply.status), tone);
    answer.prepend(element("b", reply.status));
    tries.append(answer);
    while (tries.children.length > 18) tries.firstChild.remove();
  } catch {
    login.say("nobody answers", "bad");
  }
}

guess.addEventListener("click", async () => {
  guess.disabled = true;
  for (let n = 0; n < 6; n++) await tryLogin();
  guess.disabled = false;
});

// === Events ===

const events = card("events", () => (source ? hangUp("stopped") : listen()));
const beat = Array.from({ length: 30 }, () => element("i", ""));
events.find(".beat").append(...beat);
let source, again, last;

function listen() {
  clearTimeout(again);
  source = new EventSource("/api/events");
  events.say("connecting");
  events.find("button").textContent = "Stop";
  source.onopen = () => {
    last = undefined;
    events.say("streaming from the app", "good");
    ask();
  };
  source.onmessage = ({ data }) => {
    const { n } = JSON.parse(data);
    const now = performance.now();
    const [count, gap] = events.find(".tick").children;
    count.textContent = n;
    gap.textContent = last ? `${Math.round(now - last)} ms after the one before` : "the first";
    last = now;
    beat[(n - 1) % beat.length].className = "on";
    beat[n % beat.length].className = "";
  };
  source.onerror = () => {
    hangUp("broken off, trying again");
    again = setTimeout(listen, 2000);
    ask();
  };
}

function hangUp(reason) {
  clearTimeout(again);
  source.close();
  source = undefined;
  events.say(reason, "warn");
  events.find("button").textContent = "Start";
}

// === WebSocket ===

const socket = card("socket", send);
let connection, sent;

function connect() {
  const address = new URL("/ws", location.href);
  address.protocol = location.protocol === "https:" ? "wss:" : "ws:";
  connection = new WebSocket(address);
  socket.say("connecting");
  connection.onopen = () => {
    socket.say("open to the app", "good");
    send();
  };
  connection.onmessage = ({ data }) => {
    const said = element("li", data);
    if (sent) said.append(element("small", `${(performance.now() - sent).toFixed(1)} ms`));
    talk(said);
  };
  connection.onclose = ({ code, reason }) => {
    socket.say("closed, trying again", "warn");
    talk(element("li", `closed with ${code}${reason ? `: ${reason}` : ""}`, "note"));
    setTimeout(connect, 2000);
  };
}

function send() {
  if (connection.readyState !== WebSocket.OPEN) return;
  const { value } = socket.form.elements.message;
  sent = performance.now();
  connection.send(value);
  talk(element("li", value, "mine"));
}

function talk(line) {
  const log = socket.find(".talk");
  log.append(line);
  while (log.children.length > 12) log.firstChild.remove();
}

// === This page ===

const page = card("page");

/** Where a file came from. What a worker was asked for and did not have to fetch has no bytes from anywhere. */
function origin({ workerStart, transferSize, name }) {
  if (transferSize > 0) return "Headwall";
  if (workerStart > 0) return "service worker";
  return transferSize === 0 && name ? "browser's cache" : "unknown";
}

function showFiles() {
  const [shell] = performance.getEntriesByType("navigation");
  const files = performance.getEntriesByType("resource").filter(({ name }) => !new URL(name).pathname.startsWith("/api/"));
  const rows = [shell, ...files].map((entry) => {
    const row = document.createElement("tr");
    const { pathname } = new URL(entry.name);
    const took = Math.max(0, Math.round(entry.responseEnd - entry.startTime));
    row.append(element("td", pathname.split("/").pop() || "/"), element("td", origin(entry)), element("td", took));
    return row;
  });
  page.find("tbody").replaceChildren(...rows);
  page.say(`shell from ${origin(shell)}`, shell.transferSize > 0 ? "good" : "warn");
}

async function keep() {
  if (!("serviceWorker" in navigator)) return say(worker, "no worker");
  try {
    await navigator.serviceWorker.register("/sw.js");
    await navigator.serviceWorker.ready;
    say(worker, "worker ready", "good");
  } catch (error) {
    say(worker, "no worker", "warn");
    console.warn(error);
  }
}

listen();
connect();
addEventListener("load", () => {
  showFiles();
  keep();
});
