// The official SDK for Node, as it comes from the registry, through a subscription's whole life; time is the sandbox's.

import { Client } from "@vippsmobilepay/sdk";

const { CLIENT_ID, CLIENT_SECRET, SUBSCRIPTION_KEY, MERCHANT_SERIAL_NUMBER } = process.env;
const client = Client({
  merchantSerialNumber: MERCHANT_SERIAL_NUMBER,
  subscriptionKey: SUBSCRIPTION_KEY,
  useTestMode: true,
  retryRequests: false,
});

async function ok(step, call) {
  const result = await call;
  if (!result.ok) {
    throw new Error(`${step}: ${JSON.stringify(result.error)}`);
  }
  console.log(JSON.stringify({ step, data: result.data ?? null }));
  return result.data;
}

async function signIn() {
  return (await ok("token", client.auth.getToken(CLIENT_ID, CLIENT_SECRET))).access_token;
}

async function advance(days) {
  const body = JSON.stringify({ advance: days * 86400 });
  const headers = { "Content-Type": "application/json" };
  await fetch("https://apitest.vipps.no/sandbox/clock", { method: "POST", headers, body });
  return signIn();
}

function day(ahead) {
  return new Date(Date.now() + ahead * 86400000).toISOString().slice(0, 10);
}

let token = await signIn();
const draft = await ok("draft", client.recurring.agreement.create(token, {
  pricing: { type: "LEGACY", amount: 49900, currency: "NOK" },
  interval: { unit: "MONTH", count: 1 },
  merchantAgreementUrl: "https://shop.example/members/7",
  merchantRedirectUrl: "https://shop.example/welcome",
  productName: "Gym membership",
  phoneNumber: "4712345678",
  initialCharge: { amount: 10000, description: "Registration", transactionType: "DIRECT_CAPTURE" },
}));
const agreement = draft.agreementId;
await ok("accept", client.recurring.agreement.forceAccept(token, agreement, { phoneNumber: "4712345678" }));
await ok("info", client.recurring.agreement.info(token, agreement));
await ok("list", client.recurring.agreement.list(token, "ACTIVE", undefined, 1, 100));
await ok("update", client.recurring.agreement.update(token, agreement, { productName: "Gym, all clubs", pricing: { amount: 59900 } }));

const charge = (due, orderId, transactionType) => ({
  amount: 49900, description: "Membership", due, retryDays: 2, orderId, transactionType, type: "RECURRING",
});
await ok("charge", client.recurring.charge.create(token, agreement, charge(day(2), "node-reserved", "RESERVE_CAPTURE")));
await ok("charge", client.recurring.charge.create(token, agreement, charge(day(2), "node-direct", "DIRECT_CAPTURE")));
await ok("charge", client.recurring.charge.create(token, agreement, charge(day(20), "node-cancelled", "DIRECT_CAPTURE")));
await ok("cancel", client.recurring.charge.cancel(token, agreement, "node-cancelled"));
const many = { ...charge(day(25), "node-many", "DIRECT_CAPTURE"), agreementId: agreement };
delete many.type;
await ok("charges", client.recurring.charge.createMultiple(token, [many]));
token = await advance(4);
await ok("capture", client.recurring.charge.capture(token, agreement, "node-reserved", { amount: 30000 }));
await ok("refund", client.recurring.charge.refund(token, agreement, "node-direct", { amount: 10000, description: "Sorry" }));
await ok("charge-info", client.recurring.charge.info(token, agreement, "node-reserved"));
await ok("charge-info", client.recurring.charge.infoById(token, "node-direct"));
await ok("stop", client.recurring.agreement.update(token, agreement, { status: "STOPPED" }));
await ok("info", client.recurring.agreement.info(token, agreement));
await ok("charges-list", client.recurring.charge.list(token, agreement));
