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

function nameControls(card, subject) {
  for (const button of card.querySelectorAll("button")) {
    button.setAttribute("aria-label", `${button.textContent}: ${subject}`);
  }
  card.querySelector("select").setAttribute("aria-label", `Fault of the delivery: ${subject}`);
}

const refuse = (card, reason) => fill(card, { refusal: reason });

// The things of an API, each as a card

function logEntry({ what, at: when, details }) {
  return fill(copyOf("log-entry"), { what, when: `${at(when)}, ${details}` });
}

function showThing(card, { reference, state, tone, figure, note, actions, link, log }) {
  const events = `${log.length} ${log.length === 1 ? "event" : "events"}, the latest on ${at(log.at(-1).at)}`;
  fill(card, { reference, state, figure, note, log: events });
  card.dataset.path = `/sandbox/${card.dataset.collection}/${encodeURIComponent(reference)}`;
  card.dataset.reference = reference;
  card.querySelector(".state").dataset.tone = tone;
  linkTo(card.querySelector("a"), link);
  card.querySelector(".log").replaceChildren(...log.map(logEntry));
  nameControls(card, reference);
  offer(card, actions);
}

function linkTo(link, url) {
  // An app's own scheme is nothing that a browser could open.
  link.hidden = !url?.startsWith("http");
  link.href = url;
}

function offer(card, actions) {
  const controls = card.querySelector(".actions");
  const buttons = [...controls.querySelectorAll("button")];
  const retired = buttons.filter(({ dataset }) => !actions.includes(dataset.act));
  if (retired.includes(document.activeElement) || !actions.length && controls.contains(document.activeElement)) {
    card.querySelector("summary").focus();
  }
  buttons.forEach((button) => { button.hidden = retired.includes(button); });
  controls.hidden = !actions.length;
  if (controls.hidden) {
    refuse(card, "");
  }
}

const newsOfThing = ({ log, reference }) => `${log.at(-1).what}: ${reference}`;

// Deliveries

const isTaken = ({ status }) => status >= 200 && status < 300;

// Bodies are shown as they travelled: a digest among the headers can be checked against what is shown.
function message(start, headers, body) {
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}`);
  return [start, ...lines, "", body].join("\n");
}

function timing({ startedAt, duration, attempt, copy, fault }) {
  const facts = [at(startedAt), `${Math.round(duration * 1000)} ms`, `attempt ${attempt}`];
  if (copy > 1) {
    facts.push(`copy ${copy}`);
  }
  if (fault) {
    facts.push(`fault: ${fault}`);
  }
  return facts.join(", ");
}

function showDelivery(card, delivery) {
  const { id, event, reference, status } = delivery;
  fill(card, {
    event,
    reference,
    state: status ?? "no answer",
    timing: timing(delivery),
    target: `to ${delivery.url}`,
    request: message(`POST ${delivery.url}`, delivery.requestHeaders, delivery.requestBody),
    response: status === null ? delivery.error : message(status, delivery.responseHeaders, delivery.responseBody),
  });
  card.dataset.path = `/sandbox/deliveries/${id}`;
  card.querySelector(".state").dataset.tone = isTaken(delivery) ? "good" : "bad";
  nameControls(card, `${event} of ${reference}`);
}

const newsOfDelivery = (delivery) =>
  `${delivery.event} ${isTaken(delivery) ? "delivered" : "not delivered"}: ${delivery.reference}`;

// The lists

class Board {
  constructor(name, template, keyOf, show) {
    this.list = byId(name);
    this.count = byId(`${name}-count`);
    this.template = template;
    this.keyOf = keyOf;
    this.show = show;
    this.cards = new Map();
  }

  update(items, gone) {
    gone.forEach((key) => this.remove(key));
    items.forEach((item) => this.show(this.card(this.keyOf(item)), item));
    this.count.textContent = this.cards.size ? `the newest ${this.cards.size}` : "";
  }

  card(key) {
    if (!this.cards.has(key)) {
      const card = copyOf(this.template);
      this.cards.set(key, card);
      this.list.prepend(card);
    }
    return this.cards.get(key);
  }

  remove(key) {
    this.cards.get(key).remove();
    this.cards.delete(key);
  }

  clear() {
    [...this.cards.keys()].forEach((key) => this.remove(key));
  }
}

// One for each API that has a page, by the name of its collection.
const boards = new Map();
for (const { dataset } of document.querySelectorAll("[data-collection-part]")) {
  const name = dataset.collectionPart;
  boards.set(name, new Board(name, `card-of-${name}`, ({ reference }) => reference, showThing));
}
const deliveries = new Board("deliveries", "delivery", ({ id }) => id, showDelivery);

// Following

function showConnection(text, isLive) {
  byId("connection").textContent = text;
  byId("connection").classList.toggle("live", isLive);
}

function update(news) {
  news.collections.forEach(({ name, cards, gone }) => boards.get(name).update(cards, gone));
  deliveries.update(news.deliveries, news.goneDeliveries);
  byId("pending").textContent = news.pending ? `${news.pending} on the way` : "";
}

function announce(news) {
  const happened = news.collections.flatMap(({ cards }) => cards.map(newsOfThing));
  const lines = [...happened, ...news.deliveries.map(newsOfDelivery)];
  if (lines.length) {
    byId("news").textContent = lines.length === 1 ? lines[0] : `${lines.at(-1)}, and ${lines.length - 1} more`;
  }
}

let feed;

function follow() {
  feed?.close();
  feed = new EventSource(`/sandbox/feed?${new URLSearchParams({ reference: byId("filter").value.trim() })}`);
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
      boards.forEach((board) => board.clear());
      deliveries.clear();
    } else {
      announce(news);
    }
    isFirst = false;
    update(news);
  };
}

// Acting

async function act(card, action) {
  const choice = card.querySelector("select");
  const request = {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify({ fault: choice.value || null }),
  };
  choice.value = "";
  refuse(card, "");
  try {
    const response = await fetch(`${card.dataset.path}/${action}`, request);
    if (!response.ok) {
      refuse(card, (await response.json()).detail);
    }
  } catch {
    refuse(card, "The sandbox does not answer.");
  }
}

function filterBy(reference) {
  byId("filter").value = reference;
  byId("filter").focus();
  follow();
}

document.addEventListener("click", ({ target }) => {
  const card = target.closest(".card");
  if (target.dataset.act) {
    act(card, target.dataset.act);
  } else if ("filter" in target.dataset) {
    filterBy(card.dataset.reference);
  }
});

byId("filter").addEventListener("input", follow);
follow();
