// The dashboard: it follows the sandbox's feed, and acts through its control surface.
// What the feed tells is set as text and never as markup: references, URLs and answers are other people's to choose.

const byId = (id) => document.getElementById(id);
const moment = new Intl.DateTimeFormat(undefined, {
  day: "numeric",
  month: "short",
  hour: "numeric",
  minute: "2-digit",
  second: "2-digit",
});

const at = (iso) => moment.format(new Date(iso));

function money(value, currency) {
  const whole = (value / 100).toFixed(2).replace(/\B(?=(\d{3})+\.)/g, "\u00a0");
  return `${whole}\u00a0${currency}`;
}

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

// Payments

const SUMS = { captured: "capturedAmount", refunded: "refundedAmount", cancelled: "cancelledAmount" };

function sums(payment) {
  return Object.entries(SUMS)
    .filter(([, member]) => payment[member] > 0)
    .map(([word, member]) => `${word} ${money(payment[member], payment.currency)}`)
    .join(", ");
}

function logEntry(event, currency) {
  const outcome = event.success ? "" : " failed";
  const key = event.idempotencyKey ? `, key ${event.idempotencyKey}` : "";
  return fill(copyOf("event"), {
    what: `${event.name}${outcome} ${money(event.amount, currency)}`,
    when: `${at(event.timestamp)}, pspReference ${event.pspReference}${key}`,
  });
}

function showPayment(card, payment) {
  const { reference, state, events, currency } = payment;
  fill(card, {
    reference,
    state,
    amount: money(payment.amount, currency),
    sums: sums(payment),
    log: `${events.length} ${events.length === 1 ? "event" : "events"}, the latest on ${at(events.at(-1).timestamp)}`,
  });
  card.dataset.path = `/sandbox/payments/${encodeURIComponent(reference)}`;
  card.dataset.reference = reference;
  card.querySelector(".state").dataset.state = state;
  linkTo(card.querySelector("a"), payment.redirectUrl);
  card.querySelector(".log").replaceChildren(...events.map((event) => logEntry(event, currency)));
  nameControls(card, reference);
  retireActions(card, state !== "CREATED");
}

function linkTo(link, url) {
  // An app's own scheme is nothing that a browser could open.
  link.hidden = !url?.startsWith("http");
  link.href = url;
}

function retireActions(card, retired) {
  const actions = card.querySelector(".actions");
  if (retired && actions.contains(document.activeElement)) {
    card.querySelector("summary").focus();
  }
  actions.hidden = retired;
  if (retired) {
    refuse(card, "");
  }
}

const newsOfPayment = ({ events, reference }) => `${events.at(-1).name}: ${reference}`;

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
  card.querySelector(".state").dataset.state = isTaken(delivery) ? "taken" : "failed";
  nameControls(card, `${event} of ${reference}`);
}

const newsOfDelivery = (delivery) =>
  `${delivery.event} ${isTaken(delivery) ? "delivered" : "not delivered"}: ${delivery.reference}`;

// The two lists

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

// What the page can show of each API, by the name of its collection in the feed.
const collections = {
  payments: { board: new Board("payments", "payment", ({ reference }) => reference, showPayment), news: newsOfPayment },
};
const deliveries = new Board("deliveries", "delivery", ({ id }) => id, showDelivery);

// Following

function showConnection(text, isLive) {
  byId("connection").textContent = text;
  byId("connection").classList.toggle("live", isLive);
}

function update(news) {
  news.collections.forEach(({ name, items, gone }) => collections[name]?.board.update(items, gone));
  deliveries.update(news.deliveries, news.goneDeliveries);
  byId("pending").textContent = news.pending ? `${news.pending} on the way` : "";
}

function announce(news) {
  const happened = news.collections.flatMap(({ name, items }) => items.map((item) => collections[name]?.news(item) ?? name));
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
      Object.values(collections).forEach(({ board }) => board.clear());
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
