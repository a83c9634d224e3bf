// A login link carries the token behind its #, which no browser sends and no log sees. It is taken out of the address at
// once, put into the form, and sent as if it had been typed.
"use strict";

const token = decodeURIComponent(location.hash.slice(1));
if (token) {
  history.replaceState(null, "", location.pathname + location.search);
  const form = document.getElementById("login");
  form.elements.token.value = token;
  form.requestSubmit();
}
