// The dashboard: it follows the sandbox's feed, and acts through its control surface.
// Whatever the feed says is set as text and never as markup: references, URLs and answers are other people's to choose.

const byId = (id) => document.getElementById(id);
const moment = new Intl.DateTimeFormat(undefined, {
  day: "numeric",
  month: "short",
  hour: "numeric",
  minute: "2-digit",
  second: "2-digit",
});

const at = (iso) => moment.format(new Date(iso));

function copyOf(template) {
  return byId(template).content.firstElementChild.cloneNode(true);
}

function fill(element, texts) {
  for (const [slot, text] of Object.entries(texts)) {
    element.querySelector(`[data-slot="${slot}"]`).textContent = text;
  }
  return element;
}

function nameControls(row, subject) {
  for (const button of row.querySelectorAll("button")) {
    button.setAttribute("aria-label", `${button.textContent}: ${subject}`);
  }
  row.querySelector("select").setAttribute("aria-label", `Fault of the delivery: ${subject}`);
}

const refuse = (place, reason) => fill(place, { refusal: reason });

// Bodies are shown as they travelled: a digest among the headers can be checked against what is shown.
function message(start, headers, body) {
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}`);
  return [start, ...lines, "", body].join("\n");
}

// The things of an API, each as a card

function logEntry({ what, at: when, details }) {
  return fill(copyOf("log-entry"), { what, when: `${at(when)}, ${details}` });
}

function showThing(row, { reference, state, tone, figure, note, actions, link, log }) {
  const events = `${log.length} ${log.length === 1 ? "event" : "events"}, the latest on ${at(log.at(-1).at)}`;
  fill(row, { reference, state, figure, note, log: events });
  row.dataset.path = `/sandbox/${row.dataset.collection}/${encodeURIComponent(reference)}`;
  row.dataset.reference = reference;
  row.querySelector(".state").dataset.tone = tone;
  linkTo(row.querySelector("a"), link);
  row.querySelector(".log").replaceChildren(...log.map(logEntry));
  nameControls(row, reference);
  offer(row, actions);
}

function linkTo(link, url) {
  // An app's own scheme is nothing that a browser could open.
  link.hidden = !url?.startsWith("http");
  link.href = url;
}

function offer(row, actions) {
  const controls = row.querySelector(".actions");
  const buttons = [...controls.querySelectorAll("button")];
  const retired = buttons.filter(({ dataset }) => !actions.includes(dataset.act));
  if (retired.includes(document.activeElement) || (!actions.length && controls.contains(document.activeElement))) {
    row.querySelector("summary").focus();
  }
  buttons.forEach((button) => { button.hidden = retired.includes(button); });
  controls.hidden = !actions.length;
  if (controls.hidden) {
    refuse(row, "");
  }
}

const newsOfThing = ({ log, reference }) => `${log.at(-1).what}: ${reference}`;

// Deliveries and requests

const isTaken = ({ status }) => status >= 200 && status < 300;
const inWords = (seconds) => `${Math.round(seconds * 1000)} ms`;

function showDelivery(row, delivery) {
  const { id, event, reference, status, startedAt, duration, attempt, copy, fault } = delivery;
  const timing = [at(startedAt), inWords(duration), `attempt ${attempt}`];
  if (copy > 1) {
    timing.push(`copy ${copy}`);
  }
  if (fault) {
    timing.push(`fault: ${fault}`);
  }
  fill(row, {
    event,
    reference,
    state: status ?? "no answer",
    timing: timing.join(", "),
    target: `to ${delivery.url}`,
    request: message(`POST ${delivery.url}`, delivery.requestHeaders, delivery.requestBody),
    response: status === null ? delivery.error : message(status, delivery.responseHeaders, delivery.responseBody),
  });
  row.dataset.path = `/sandbox/deliveries/${id}`;
  row.querySelector(".state").dataset.tone = isTaken(delivery) ? "good" : "bad";
  nameControls(row, `${event} of ${reference}`);
}

const newsOfDelivery = (delivery) =>
  `${delivery.event} ${isTaken(delivery) ? "delivered" : "not delivered"}: ${delivery.reference}`;

function showRequest(row, request) {
  const { operation, reference, status, method, path, idempotencyKey, fault, notes } = request;
  const facts = [at(request.receivedAt), ...(fault ? [`fault: ${fault}`] : [])];
  const key = idempotencyKey ? { "Idempotency-Key": idempotencyKey } : {};
  fill(row, {
    operation,
    reference,
    state: status ?? "cut",
    timing: facts.join(", "),
    notes: notes.join("; "),
    request: message(`${method} ${path}`, key, request.body),
    response: request.responseBody || "not shown, or empty",
  });
  row.querySelector(".state").dataset.tone = isTaken(request) ? "good" : "bad";
}

// The lists

class List {
  constructor(section, template, show, news) {
    this.name = section.dataset.list;
    this.section = section;
    this.rows = byId(this.name);
    this.count = byId(`${this.name}-count`);
    this.empty = byId(`${this.name}-empty`);
    this.invitation = this.empty.textContent;
    this.template = template;
    this.show = show;
    this.news = news;
    this.shown = new Map();
  }

  update({ rows, gone, more }) {
    gone.forEach((key) => this.remove(key));
    rows.forEach((row) => this.show(this.row(row.key), row));
    this.count.textContent = this.shown.size ? `${more ? "the newest " : ""}${this.shown.size}` : "";
    this.section.querySelector(".more").hidden = !more;
    this.empty.textContent = isFiltered() ? "No match." : this.invitation;
  }

  row(key) {
    if (!this.shown.has(key)) {
      const row = copyOf(this.template);
      this.shown.set(key, row);
      this.rows.prepend(row);
    }
    return this.shown.get(key);
  }

  remove(key) {
    this.shown.get(key).remove();
    this.shown.delete(key);
  }

  clear() {
    this.rows.replaceChildren();
    this.shown.clear();
  }
}

const special = {
  deliveries: ["delivery", showDelivery, newsOfDelivery],
  requests: ["request", showRequest, null],
};
const lists = new Map();
for (const section of document.querySelectorAll("[data-list]")) {
  const name = section.dataset.list;
  const kind = special[name] ?? [`card-of-${name}`, showThing, newsOfThing];
  lists.set(name, new List(section, ...kind));
}

// What is shown whole

function showRemovable(list, none, items, textOf, pathOf) {
  const rows = items.map((item) => {
    const row = fill(copyOf("removable"), { what: textOf(item) });
    const button = row.querySelector("button");
    button.dataset.remove = pathOf(item);
    button.setAttribute("aria-label", `Remove: ${textOf(item)}`);
    return row;
  });
  byId(list).replaceChildren(...rows);
  byId(none).hidden = rows.length > 0;
}

function faultInWords({ number, operation, fault, times, ...more }) {
  const details = Object.entries(more).map(([name, value]) => `${name} ${value}`);
  return [`${operation}: ${fault}`, times === null ? "always" : `${times} times`, ...details].join(", ");
}

function aheadInWords(seconds) {
  const days = Math.floor(seconds / 86400);
  const minutes = Math.round((seconds % 86400) / 60);
  return seconds ? `ahead by ${days ? `${days} days ` : ""}${minutes ? `${minutes} minutes` : ""}` : "";
}

function showWhole({ webhooks, faults, ahead, pending }) {
  showRemovable("webhooks", "no-webhooks", webhooks, ({ url, events }) => `${url} (${events.length} events)`,
    ({ id }) => `/sandbox/webhooks/${id}`);
  showRemovable("faults", "no-faults", faults, faultInWords, ({ number }) => `/sandbox/faults/${number}`);
  byId("ahead").textContent = aheadInWords(ahead);
  byId("pending").textContent = pending ? `${pending} on the way` : "";
}

// Following

let limit = 25;
let feed;

const filters = () => [...byId("filters").querySelectorAll("input, select")];
const isFiltered = () => filters().some(({ value }) => value.trim());

function showConnection(text, isLive) {
  byId("connection").textContent = text;
  byId("connection").classList.toggle("live", isLive);
}

function announce(news) {
  const lines = news.lists.flatMap(({ name, rows }) => (lists.get(name).news ? rows.map(lists.get(name).news) : []));
  if (lines.length) {
    byId("news").textContent = lines.length === 1 ? lines[0] : `${lines.at(-1)}, and ${lines.length - 1} more`;
  }
}

function follow() {
  feed?.close();
  const query = new URLSearchParams({ limit });
  filters().forEach(({ name, value }) => query.set(name, value.trim()));
  feed = new EventSource(`/sandbox/feed?${query}`);
  let isFirst;
  feed.onopen = () => {
    isFirst = true;
    showConnection("Live", true);
  };
  feed.onerror = () => showConnection("Connecting again", false);
  feed.onmessage = ({ data }) => {
    const news = JSON.parse(data);
    if (isFirst) {
      // A feed begins with everything, also the one that follows an interruption.
      lists.forEach((list) => list.clear());
    } else {
      announce(news);
    }
    isFirst = false;
    news.lists.forEach((changes) => lists.get(changes.name).update(changes));
    showWhole(news);
  };
}

// Acting

async function ask(place, method, path, data) {
  refuse(place, "");
  const headers = { "Content-Type": "application/json" };
  const body = typeof data === "object" ? JSON.stringify(data) : data;
  try {
    const response = await fetch(path, { method, headers, body });
    if (!response.ok) {
      refuse(place, (await response.json()).detail);
    }
  } catch {
    refuse(place, "The sandbox does not answer.");
  }
}

function act(row, action) {
  const choice = row.querySelector("select");
  const fault = choice.value || null;
  choice.value = "";
  return ask(row, "POST", `${row.dataset.path}/${action}`, { fault });
}

function filterBy(reference) {
  byId("filter").value = reference;
  byId("filter").focus();
  follow();
}

function inject(form) {
  const { operation, fault, times } = form.elements;
  const isOfDeliveries = fault.selectedOptions[0].parentElement.hasAttribute("data-deliveries");
  const body = { operation: isOfDeliveries ? "deliveries" : operation.value, fault: fault.value, times: Number(times.value) };
  return ask(form.parentElement, "POST", "/sandbox/faults", body);
}

document.addEventListener("click", ({ target }) => {
  const row = target.closest(".row");
  const panel = target.closest(".panel");
  const { act: action, advance, remove } = target.dataset;
  if (action) {
    act(row, action);
  } else if ("filter" in target.dataset) {
    filterBy(row.dataset.reference);
  } else if (target.classList.contains("more")) {
    limit += 25;
    follow();
  } else if (advance) {
    ask(panel, "POST", "/sandbox/clock", { advance: Number(advance) });
  } else if (remove) {
    ask(panel, "DELETE", remove);
  } else if (target.id === "reset" && confirm("Forget all that happened here?")) {
    ask(panel, "POST", "/sandbox/reset");
  }
});

byId("load").addEventListener("change", async ({ target }) => {
  const [file] = target.files;
  target.value = "";
  ask(target.closest(".panel"), "POST", "/sandbox/state", await file.text());
});

byId("inject").addEventListener("submit", (event) => {
  event.preventDefault();
  inject(event.target);
});
byId("filters").addEventListener("input", follow);
follow();
