// What a device is, and what an administrator changes about it.

import { useState } from "preact/hooks";

import { call, id } from "../api/call.ts";
import type { Device } from "../api/model.ts";
import { whole } from "../moment.ts";
import { Button } from "../parts/button.tsx";
import { Confirm, useAction } from "../parts/dialog.tsx";
import { faultOf, Input } from "../parts/field.tsx";
import { Notice, toast } from "../parts/notice.tsx";
import { plain } from "../plain.ts";
import { DEVICES, go } from "../router.ts";
import { text } from "../text/en.ts";
import { say } from "../text/say.ts";
import { LastSeen } from "./devices.tsx";
import { EnrolDialog } from "./enrol.tsx";

const { info: words } = text;

export function InfoTab({ device, onChange }: { device: Device; onChange: (device: Device) => void }) {
  const [asked, setAsked] = useState<"disable" | "remove" | "enrol">();
  const close = () => setAsked(undefined);
  const path = `/devices/${id(device.id)}`;
  const name = plain(device.name);
  const enable = useAction();
  const setDisabled = async (disabled: boolean) => {
    onChange(await call<Device>("PATCH", path, { disabled }));
    toast(disabled ? words.disabledDone : words.enabledDone);
  };
  const mayAdmin = device.permissions.includes("device-control-admin");
  return (
    <div class="columns">
      <section class="card">
        {mayAdmin && <Rename device={device} onChange={onChange} />}
        <dl class="facts">
          <dt>{words.id}</dt>
          <dd class="mono">{device.id}</dd>
          <dt>{words.agent}</dt>
          <dd class="mono">{plain(device.agent_version ?? "–")}</dd>
          <dt>{words.lastSeen}</dt>
          <dd>
            <LastSeen device={device} />
          </dd>
          <dt>{words.created}</dt>
          <dd>{whole(device.created_at)}</dd>
          {device.external_ids.length > 0 && (
            <>
              <dt>{words.external}</dt>
              {device.external_ids.map(({ type, value }) => (
                <dd key={type} class="mono">
                  {plain(`${type}: ${value}`)}
                </dd>
              ))}
            </>
          )}
          <dt>{words.may}</dt>
          <dd>{device.permissions.map((permission) => text.permission[permission]).join(", ")}</dd>
        </dl>
      </section>
      {mayAdmin && (
        <section class="card">
          <h2>{words.danger}</h2>
          {device.disabled && <Notice kind="warn">{words.disabledSays}</Notice>}
          {enable.problem && <Notice kind="bad">{say(enable.problem)}</Notice>}
          <div class="actions">
            {device.disabled ? (
              <Button onClick={() => enable.run(() => setDisabled(false))}>{words.enable}</Button>
            ) : (
              <Button onClick={() => setAsked("disable")}>{words.disable}</Button>
            )}
            <Button onClick={() => setAsked("enrol")}>{words.again}</Button>
            <Button kind="danger" onClick={() => setAsked("remove")}>
              {words.remove}
            </Button>
          </div>
        </section>
      )}
      {asked === "enrol" && <EnrolDialog name={device.name} onClose={close} />}
      {asked === "disable" && (
        <Confirm
          title={words.disableAsk(name)}
          says={words.disableSays}
          action={words.disable}
          onClose={close}
          onConfirm={() => setDisabled(true)}
        />
      )}
      {asked === "remove" && (
        <Confirm
          title={words.removeAsk(name)}
          says={words.removeSays}
          action={words.remove}
          word={{ label: words.removeConfirm(name), value: device.name }}
          onClose={close}
          onConfirm={async () => {
            await call("DELETE", path);
            toast(words.removed(name));
            go(DEVICES, true);
          }}
        />
      )}
    </div>
  );
}

function Rename({ device, onChange }: { device: Device; onChange: (device: Device) => void }) {
  const [name, setName] = useState(device.name);
  const { busy, problem, run } = useAction();
  const fault = faultOf(problem, "name");
  const submit = (event: Event) => {
    event.preventDefault();
    run(async () => {
      onChange(await call<Device>("PATCH", `/devices/${id(device.id)}`, { name: name.trim() }));
      toast(words.renamed);
    });
  };
  return (
    <form class="inline" onSubmit={submit}>
      <Input
        label={words.name}
        value={name}
        onInput={setName}
        fault={fault ?? (problem && say(problem))}
        required
        maxLength={64}
      />
      <Button submit disabled={busy || name.trim() === device.name}>
        {words.rename}
      </Button>
    </form>
  );
}
