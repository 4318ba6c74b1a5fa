// Tells the server when the user goes back to where the link to this page was, which cancels what it is about.
// A browser tells of that only if the page has an entry of its own in the history to go back from.
"use strict";

history.pushState(null, "");

addEventListener("popstate", async () => {
  const hasShop = history.length > 2;
  await fetch(location.href, {
    method: "POST",
    body: new URLSearchParams({ action: "go-back" }),
    redirect: "manual",
    keepalive: true,
  });
  if (hasShop) {
    history.back();
  } else {
    location.reload();
  }
});
