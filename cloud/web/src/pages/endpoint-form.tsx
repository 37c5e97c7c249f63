// The form of an endpoint: what is asked follows from the protocol.

import { useRef, useState } from "preact/hooks";

import { call, id } from "../api/call.ts";
import type { Device, Endpoint, Protocol } from "../api/model.ts";
import { Button } from "../parts/button.tsx";
import { Dialog, useAction } from "../parts/dialog.tsx";
import { Check, Choice, faultOf, Input, Select, TextArea } from "../parts/field.tsx";
import { Notice } from "../parts/notice.tsx";
import { plain } from "../plain.ts";
import type { EndpointDialog } from "../router.ts";
import { text } from "../text/en.ts";
import { say } from "../text/say.ts";
import { blank, draftOf, SIGN_INS, wish, withProtocol, type Draft } from "./endpoint-draft.ts";
import { TestSteps, useTest } from "./endpoint-test.tsx";

const { endpointForm: words } = text;
const FIELDS = ["name", "host", "port", "password", "user", "private_key", "passphrase", "host_key"];

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
    if (source) return { ...draftOf(source), name: `${source.name} 2` };
    return blank((dialog.kind === "new" ? dialog.protocol : undefined) ?? props.protocols[0] ?? "VNC");
  });
  const { busy, problem, run } = useAction();
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
      props.onSaved(saved);
    });
  };
  const runTest = () => {
    if (!form.current?.reportValidity()) return;
    test.start(device, wish(draft), source?.id);
  };
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
        <Fields
          draft={draft}
          setDraft={setDraft}
          saved={edited?.has_password === true}
          fault={(field) => faultOf(problem, field)}
        />
        {elsewhere && <Notice kind="bad">{say(problem)}</Notice>}
        {test.state !== undefined && (
          <TestSteps state={test.state} around={{ device: device.name, target: `${draft.host}:${draft.port}` }} />
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
  saved: boolean;
  fault: (field: string) => string | undefined;
}) {
  const { draft, setDraft, saved, fault } = props;
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
        <Input
          label={words.user}
          fault={fault("user")}
          value={draft.user}
          onInput={(user) => set({ user })}
          required={draft.signIn !== "ask"}
        />
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
      {draft.signIn === "key-pair" && <KeyFields draft={draft} set={set} saved={saved} fault={fault} />}
      {draft.protocol === "SSH" && (
        <TextArea
          label={words.hostKey}
          optional
          hint={words.hostKeyHint}
          fault={fault("host_key")}
          rows={2}
          mono
          value={draft.hostKey}
          onInput={(hostKey) => set({ hostKey })}
        />
      )}
      {draft.protocol === "VNC" && (
        <Check label={words.viewOnly} checked={draft.viewOnly} onChange={(viewOnly) => set({ viewOnly })} />
      )}
    </>
  );
}

function KeyFields(props: {
  draft: Draft;
  set: (change: Partial<Draft>) => void;
  saved: boolean;
  fault: (field: string) => string | undefined;
}) {
  const { draft, set, saved, fault } = props;
  return (
    <>
      <TextArea
        label={words.privateKey}
        hint={saved ? words.secretSaved : words.privateKeyHint}
        fault={fault("private_key")}
        rows={4}
        mono
        value={draft.privateKey}
        onInput={(privateKey) => set({ privateKey })}
      />
      <label class="button file">
        {words.chooseFile}
        <input
          type="file"
          onChange={(event) => void event.currentTarget.files?.[0]?.text().then((privateKey) => set({ privateKey }))}
        />
      </label>
      <Input
        label={words.passphrase}
        type="password"
        autoComplete="new-password"
        optional
        fault={fault("passphrase")}
        value={draft.passphrase}
        onInput={(passphrase) => set({ passphrase })}
      />
    </>
  );
}
