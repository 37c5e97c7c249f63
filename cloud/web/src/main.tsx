// Begins: takes the code of a login link out of the address, finds out who is here, shows the page.

import { render } from "preact";

import { call, me } from "./api/call.ts";
import { listen } from "./api/live.ts";
import type { CurrentUser } from "./api/model.ts";
import { App } from "./app.tsx";
import { loginWithLink } from "./pages/login.tsx";
import { follow } from "./router.ts";
import { applyTheme } from "./theme.ts";

const LINK = /^#login=(.+)$/;

// Before anything else: the code is to stand in the address no longer than it has to.
const code = LINK.exec(location.hash)?.[1];
if (code !== undefined) history.replaceState(null, "", location.pathname + location.search);

applyTheme();
follow();
render(<App />, document.body);
listen();
if (code === undefined) {
  call<CurrentUser>("GET", "/current-user").then(
    (user) => (me.value = user),
    () => (me.value = null),
  );
} else {
  void loginWithLink(code);
}
