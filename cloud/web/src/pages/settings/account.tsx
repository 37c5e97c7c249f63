// One's own password, second factor and logins.

import { useState } from "preact/hooks";

import { call, callAll, id, me } from "../../api/call.ts";
import { useLoaded } from "../../api/loaded.ts";
import type { AccessToken, TotpSetup } from "../../api/model.ts";
import { clock, whole } from "../../moment.ts";
import { Button, Copyable, Status } from "../../parts/button.tsx";
import { Dialog, useAction } from "../../parts/dialog.tsx";
import { faultOf, Input } from "../../parts/field.tsx";
import { Notice, Shown, toast } from "../../parts/notice.tsx";
import { Table } from "../../parts/table.tsx";
import { plain } from "../../plain.ts";
import { text } from "../../text/en.ts";
import { say } from "../../text/say.ts";

const { people: words } = text;

export function Account() {
  return (
    <div class="columns">
      <Password />
      <SecondFactor />
      <Logins />
    </div>
  );
}

function Password() {
  const [current, setCurrent] = useState("");
  const [fresh, setFresh] = useState("");
  const { busy, problem, run } = useAction();
  const submit = (event: Event) => {
    event.preventDefault();
    run(async () => {
      await call("PUT", "/current-user/password", { current_password: current, new_password: fresh });
      setCurrent("");
      setFresh("");
      toast(words.password.saved);
    });
  };
  return (
    <section class="card">
      <h2>{words.password.title}</h2>
      <form onSubmit={submit}>
        {/* Password managers ask whose password it is. */}
        <input
          class="hidden"
          type="text"
          autocomplete="username"
          value={me.value?.name ?? ""}
          readOnly
          tabIndex={-1}
          aria-hidden="true"
        />
        <Input
          label={words.password.current}
          type="password"
          autoComplete="current-password"
          value={current}
          onInput={setCurrent}
          fault={faultOf(problem, "current_password")}
          required
        />
        <Input
          label={words.password.new}
          hint={words.password.hint}
          type="password"
          autoComplete="new-password"
          value={fresh}
          onInput={setFresh}
          fault={faultOf(problem, "new_password")}
          required
        />
        {problem && !problem.errors && <Notice kind="bad">{say(problem)}</Notice>}
        <footer>
          <Button submit disabled={busy}>
            {words.password.save}
          </Button>
        </footer>
      </form>
    </section>
  );
}

function SecondFactor() {
  const [setup, setSetup] = useState<TotpSetup>();
  const [removing, setRemoving] = useState(false);
  const { busy, problem, run } = useAction();
  const on = me.value?.totp === true;
  const nowOn = (totp: boolean) => (me.value = me.value && { ...me.value, totp });
  const begin = () => run(async () => setSetup(await call("POST", "/current-user/totp")));
  return (
    <section class="card">
      <h2>{words.totp.title}</h2>
      <p>{words.totp.says}</p>
      {on && <Status kind="ok">{words.totp.isOn}</Status>}
      {problem && <Notice kind="bad">{say(problem)}</Notice>}
      <div class="actions">
        {on ? (
          <Button onClick={() => setRemoving(true)}>{words.totp.remove}</Button>
        ) : (
          <Button onClick={begin} disabled={busy}>
            {words.totp.begin}
          </Button>
        )}
      </div>
      {setup && (
        <CodeDialog
          title={words.totp.title}
          action={words.totp.confirm}
          onClose={() => setSetup(undefined)}
          onCode={async (code) => {
            await call("POST", "/current-user/totp/confirm", { code });
            nowOn(true);
            toast(words.totp.on);
          }}
        >
          <p class="label">{words.totp.secret}</p>
          <Copyable value={setup.secret} label={words.totp.secret} />
          <p>
            <a href={setup.uri}>{words.totp.uri}</a>
          </p>
        </CodeDialog>
      )}
      {removing && (
        <CodeDialog
          title={words.totp.removeTitle}
          action={words.totp.remove}
          onClose={() => setRemoving(false)}
          onCode={async (code) => {
            await call("DELETE", "/current-user/totp", { code });
            nowOn(false);
            toast(words.totp.removed);
          }}
        >
          <p>{words.totp.removeSays}</p>
        </CodeDialog>
      )}
    </section>
  );
}

function CodeDialog(props: {
  title: string;
  action: string;
  onCode: (code: string) => Promise<void>;
  onClose: () => void;
  children: preact.ComponentChildren;
}) {
  const [code, setCode] = useState("");
  const { busy, problem, run } = useAction();
  const submit = (event: Event) => {
    event.preventDefault();
    run(async () => {
      await props.onCode(code.replace(/\s/g, ""));
      props.onClose();
    });
  };
  return (
    <Dialog title={props.title} onClose={props.onClose}>
      <form onSubmit={submit}>
        {props.children}
        <Input
          label={words.totp.code}
          value={code}
          onInput={setCode}
          required
          numeric
          autoComplete="one-time-code"
          pattern="[0-9 ]{6,7}"
          autoFocus
        />
        {problem && <Notice kind="bad">{say(problem)}</Notice>}
        <footer>
          <Button onClick={props.onClose}>{text.common.cancel}</Button>
          <Button kind="primary" submit disabled={busy}>
            {props.action}
          </Button>
        </footer>
      </form>
    </Dialog>
  );
}

function Logins() {
  const loaded = useLoaded((signal) => callAll<AccessToken>("/tokens", {}, signal, 1000), []);
  const { problem, run } = useAction();
  const end = (token: AccessToken) =>
    run(async () => {
      await call("DELETE", `/tokens/${id(token.id)}`);
      toast(words.logins.ended);
      loaded.edit((tokens) => tokens.filter((each) => each.id !== token.id));
    });
  return (
    <section class="card broad">
      <h2>{words.logins.title}</h2>
      {problem && <Notice kind="bad">{say(problem)}</Notice>}
      <Shown loaded={loaded}>
        {(tokens) => (
          <Table
            caption={words.logins.caption}
            rows={tokens}
            rowKey={(token) => token.id}
            columns={[
              { head: words.logins.from, kind: "mono", cell: (token) => plain(token.source) },
              {
                head: words.logins.since,
                cell: (token) => (
                  <time dateTime={token.created_at} title={whole(token.created_at)}>
                    {clock(token.created_at)}
                  </time>
                ),
              },
              {
                head: words.logins.until,
                cell: (token) => (
                  <time dateTime={token.expires_at} title={whole(token.expires_at)}>
                    {clock(token.expires_at)}
                  </time>
                ),
              },
              {
                head: text.common.actions,
                kind: "end",
                cell: (token) =>
                  token.current ? (
                    <span class="tag">{words.logins.current}</span>
                  ) : (
                    <Button label={words.logins.endOf(plain(token.source))} onClick={() => end(token)}>
                      {words.logins.end}
                    </Button>
                  ),
              },
            ]}
          />
        )}
      </Shown>
    </section>
  );
}
