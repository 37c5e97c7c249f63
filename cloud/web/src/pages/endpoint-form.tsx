// The form of an endpoint: what is asked follows from the protocol.

import { useRef, useState } from "preact/hooks";

import { call, id } from "../api/call.ts";
import type { Device, Endpoint, Protocol } from "../api/model.ts";
import { Button } from "../parts/button.tsx";
import { Dialog, useAction } from "../parts/dialog.tsx";
import { Check, Choice, faultOf, Input, Select } from "../parts/field.tsx";
import { Notice } from "../parts/notice.tsx";
import { address, plain } from "../plain.ts";
import type { EndpointDialog } from "../router.ts";
import { text } from "../text/en.ts";
import { say } from "../text/say.ts";
import { blank, copyOf, draftOf, SIGN_INS, wish, withProtocol, type Draft } from "./endpoint-draft.ts";
import { InstallDialog, PublicKey } from "./endpoint-keys.tsx";
import { KeyFields, ServerFields, withLine } from "./endpoint-ssh.tsx";
import { TelnetFields } from "./endpoint-telnet.tsx";
import { TestSteps, useTest } from "./endpoint-test.tsx";

const { endpointForm: words } = text;
const FIELDS = ["name", "host", "port", "password", "user", "private_key", "passphrase", "host_keys", "telnet"];

export function EndpointForm(props: {
  device: Device;
  dialog: EndpointDialog;
  endpoints: readonly Endpoint[];
  protocols: readonly Protocol[];
  onClose: () => void;
  onSaved: (endpoint: Endpoint) => void;
}) {
  const { device, dialog, endpoints } = props;
  const source = endpoints.find((endpoint) => endpoint.id === (dialog.kind === "edit" ? dialog.endpoint : dialog.from));
  const edited = dialog.kind === "edit" ? source : undefined;
  const [draft, setDraft] = useState<Draft>(() => {
    if (edited) return draftOf(edited);
    if (source) return copyOf(source);
    return blank((dialog.kind === "new" ? dialog.protocol : undefined) ?? props.protocols[0] ?? "VNC");
  });
  const { busy, problem, run } = useAction();
  // The public half of a pair that was just made: now is the time to take it to the target.
  const [made, setMade] = useState<Endpoint>();
  const [installs, setInstalls] = useState(false);
  const test = useTest();
  const form = useRef<HTMLFormElement>(null);

  const path = `/devices/${id(device.id)}`;
  const submit = (event: Event) => {
    event.preventDefault();
    run(async () => {
      const { protocol, ...changes } = wish(draft);
      const saved = edited
        ? await call<Endpoint>("PATCH", `${path}/endpoints/${id(edited.id)}`, changes)
        : await call<Endpoint>("POST", `${path}/endpoints`, { protocol, ...changes });
      if (changes.generate_key && saved.public_key) setMade(saved);
      else props.onSaved(saved);
    });
  };
  const runTest = () => {
    if (!form.current?.reportValidity()) return;
    test.start(device, wish(draft), source?.id);
  };
  const keep = (key: string) => {
    const kept = { ...draft, hostKeys: withLine(draft.hostKeys, key) };
    setDraft(kept);
    test.start(device, wish(kept), source?.id);
  };
  if (made?.public_key) {
    const done = () => props.onSaved(made);
    if (installs) return <InstallDialog key="install" device={device} endpoint={made} onClose={done} />;
    return (
      <Dialog key="made" title={words.made} onClose={done} wide>
        <form
          onSubmit={(event) => {
            event.preventDefault();
            done();
          }}
        >
          <PublicKey line={made.public_key} user={made.user ?? ""} />
          <footer>
            <Button onClick={() => setInstalls(true)}>{words.installNow}</Button>
            <span class="grow" />
            <Button kind="primary" submit autoFocus>
              {words.done}
            </Button>
          </footer>
        </form>
      </Dialog>
    );
  }
  if (dialog.kind === "edit" && !edited) {
    return (
      <Dialog title={words.edit("")} onClose={props.onClose}>
        <Notice kind="bad">{text.reasons["unknown-endpoint"]()}</Notice>
      </Dialog>
    );
  }
  const elsewhere = problem && !problem.errors?.some(({ field }) => FIELDS.includes(field));
  return (
    <Dialog title={edited ? words.edit(plain(edited.name)) : words.add} onClose={props.onClose} wide>
      <form ref={form} onSubmit={submit} autocomplete="off">
        {!edited && (
          <Choice
            cards
            label={text.endpoints.protocol}
            value={draft.protocol}
            options={props.protocols.map((value) => ({
              value,
              label: text.protocol[value],
              says: text.protocolSays[value],
            }))}
            onChange={(protocol) => setDraft(withProtocol(draft, protocol))}
          />
        )}
        <Fields draft={draft} setDraft={setDraft} edited={edited} fault={(field) => faultOf(problem, field)} />
        {elsewhere && <Notice kind="bad">{say(problem)}</Notice>}
        {test.state !== undefined && (
          <TestSteps
            state={test.state}
            around={{ device: device.name, target: address(draft.host, Number(draft.port)) }}
            onKeep={keep}
          />
        )}
        <footer>
          {draft.protocol !== "PASSTHROUGH" && (
            <Button onClick={runTest} disabled={test.state === "running"}>
              {words.test}
            </Button>
          )}
          <span class="grow" />
          <Button onClick={props.onClose}>{text.common.cancel}</Button>
          <Button kind="primary" submit disabled={busy}>
            {words.save}
          </Button>
        </footer>
      </form>
    </Dialog>
  );
}

function Fields(props: {
  draft: Draft;
  setDraft: (draft: Draft) => void;
  edited: Endpoint | undefined;
  fault: (field: string) => string | undefined;
}) {
  const { draft, setDraft, edited, fault } = props;
  const saved = edited?.has_password === true;
  const set = (change: Partial<Draft>) => setDraft({ ...draft, ...change });
  const kept = saved ? { hint: words.secretSaved } : {};
  const signIns = SIGN_INS[draft.protocol];
  return (
    <>
      {draft.protocol === "TELNET" && <Notice kind="warn">{words.telnetWarning}</Notice>}
      {draft.protocol === "PASSTHROUGH" && <p class="hint">{words.passthroughSays}</p>}
      <Input
        label={words.name}
        fault={fault("name")}
        value={draft.name}
        onInput={(name) => set({ name })}
        required
        autoFocus
        maxLength={64}
      />
      <div class="row">
        <Input
          label={words.host}
          hint={words.hostHint}
          fault={fault("host")}
          value={draft.host}
          onInput={(host) => set({ host })}
          required
          maxLength={255}
        />
        <Input
          label={words.port}
          type="number"
          min={1}
          max={65535}
          fault={fault("port")}
          value={draft.port}
          onInput={(port) => set({ port })}
          required
        />
      </div>
      {signIns.length > 1 && (
        <Select
          label={words.signIn}
          value={draft.signIn}
          options={signIns.map((value) => ({ value, label: text.signIn[value] }))}
          onChange={(signIn) => set({ signIn })}
        />
      )}
      {draft.protocol === "SSH" && (
        <Input label={words.user} fault={fault("user")} value={draft.user} onInput={(user) => set({ user })} required />
      )}
      {draft.signIn === "password" && (
        <Input
          label={words.password}
          type="password"
          autoComplete="new-password"
          fault={fault("password")}
          value={draft.password}
          onInput={(password) => set({ password })}
          required={!saved}
          hint={draft.protocol === "VNC" && !saved ? words.passwordVnc : kept.hint}
        />
      )}
      {draft.signIn === "key-pair" && <KeyFields {...{ draft, set, fault, edited }} />}
      {draft.protocol === "SSH" && <ServerFields {...{ draft, set, fault }} />}
      {draft.protocol === "TELNET" && <TelnetFields draft={draft} set={set} />}
      {draft.protocol === "VNC" && (
        <Check label={words.viewOnly} checked={draft.viewOnly} onChange={(viewOnly) => set({ viewOnly })} />
      )}
    </>
  );
}
