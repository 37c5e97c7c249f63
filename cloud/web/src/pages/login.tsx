// Logging in: with a password, a code of the second factor, or the link that `towline up` prints.

import { signal } from "@preact/signals";
import { useEffect, useState } from "preact/hooks";

import { call, me, problemFrom } from "../api/call.ts";
import type { CurrentUser, Problem } from "../api/model.ts";
import { Brand } from "../header.tsx";
import { Button } from "../parts/button.tsx";
import { useAction } from "../parts/dialog.tsx";
import { Input } from "../parts/field.tsx";
import { Notice } from "../parts/notice.tsx";
import { text } from "../text/en.ts";
import { say } from "../text/say.ts";

interface LoggedIn {
  user: CurrentUser;
}

const linkProblem = signal<Problem | undefined>(undefined);

/** Logs in with the code of a link. A code that is used or old leads to the form. */
export async function loginWithLink(code: string): Promise<void> {
  try {
    me.value = (await call<LoggedIn>("POST", "/browser/login-link", { code })).user;
  } catch (error) {
    linkProblem.value = problemFrom(error);
    // Somebody who is logged in already needs no link.
    me.value = await call<CurrentUser>("GET", "/current-user").catch(() => null);
  }
}

export function LoginPage() {
  const [user, setUser] = useState("");
  const [password, setPassword] = useState("");
  const [code, setCode] = useState("");
  const [asksCode, setAsksCode] = useState(false);
  const { busy, problem, run } = useAction();
  const { login } = text;

  useEffect(() => {
    document.title = `${login.title} · ${text.product}`;
  }, []);

  const submit = (event: Event) => {
    event.preventDefault();
    linkProblem.value = undefined;
    run(async () => {
      try {
        const body = { user, password, ...(asksCode ? { totp_code: code.replace(/\s/g, "") } : {}) };
        me.value = (await call<LoggedIn>("POST", "/browser/login", body)).user;
      } catch (error) {
        setCode("");
        if (problemFrom(error).code !== "totp-required" || asksCode) throw error;
        setAsksCode(true);
      }
    });
  };
  const linkFault = linkProblem.value;
  return (
    <main class="login">
      <form onSubmit={submit}>
        <p class="brand">
          <Brand /> {text.product}
        </p>
        <h1>{login.title}</h1>
        {linkFault && !problem && (
          <Notice kind="warn">{linkFault.code === "auth-failed" ? login.linkUsed : say(linkFault)}</Notice>
        )}
        {problem && <Notice kind="bad">{say(problem)}</Notice>}
        {asksCode ? (
          <Input
            key="code"
            label={login.code}
            hint={login.codeHint}
            value={code}
            onInput={setCode}
            required
            autoFocus
            numeric
            pattern="[0-9 ]{6,7}"
            autoComplete="one-time-code"
          />
        ) : (
          <>
            <Input
              key="user"
              label={login.user}
              value={user}
              onInput={setUser}
              required
              autoFocus
              autoComplete="username"
            />
            <Input
              key="password"
              label={login.password}
              type="password"
              value={password}
              onInput={setPassword}
              required
              autoComplete="current-password"
            />
          </>
        )}
        <footer>
          {asksCode && <Button onClick={() => setAsksCode(false)}>{login.back}</Button>}
          <Button kind="primary" submit disabled={busy}>
            {login.submit}
          </Button>
        </footer>
      </form>
    </main>
  );
}
