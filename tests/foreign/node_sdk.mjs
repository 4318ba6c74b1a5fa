// The official SDK for Node, as it comes from the registry, through a payment's whole life; it knows no host but its own.

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
  console.log(JSON.stringify({ step, data: result.data }));
  return result.data;
}

const nok = (value) => ({ modificationAmount: { currency: "NOK", value } });
const token = (await ok("token", client.auth.getToken(CLIENT_ID, CLIENT_SECRET))).access_token;

const webhook = await ok("register", client.webhook.register(token, {
  url: "https://shop.example/events",
  events: ["epayments.payment.captured.v1"],
}));
await ok("list", client.webhook.list(token));
await ok("delete", client.webhook.delete(token, webhook.id));

async function create(reference) {
  return ok("create", client.payment.create(token, {
    amount: { currency: "NOK", value: 49900 },
    paymentMethod: { type: "WALLET" },
    customer: { phoneNumber: "4712345678" },
    returnUrl: "https://shop.example/thanks",
    userFlow: "WEB_REDIRECT",
    paymentDescription: "Two pairs of socks",
    reference,
  }));
}

const approval = { customer: { phoneNumber: "4712345678" } };
await create("node-sdk-paid");
await ok("approve", client.payment.forceApprove(token, "node-sdk-paid", approval));
await ok("capture", client.payment.capture(token, "node-sdk-paid", nok(40000)));
await ok("refund", client.payment.refund(token, "node-sdk-paid", nok(10000)));
await ok("cancel", client.payment.cancel(token, "node-sdk-paid"));
await ok("info", client.payment.info(token, "node-sdk-paid"));
await ok("history", client.payment.history(token, "node-sdk-paid"));
await create("node-sdk-ended");
await ok("cancel", client.payment.cancel(token, "node-sdk-ended"));
await ok("info", client.payment.info(token, "node-sdk-ended"));
