// A page that cannot ask for itself anew keeps what it shows, and says that it may be old.
"use strict";

const say = (isOld) => {
  document.getElementById("stale").hidden = !isOld;
};

for (const name of ["htmx:error", "htmx:response:error", "htmx:sse:error"]) {
  document.addEventListener(name, () => say(true));
}
document.addEventListener("htmx:after:request", (event) => {
  if (event.detail.ctx.response.status < 400) say(false);
});
