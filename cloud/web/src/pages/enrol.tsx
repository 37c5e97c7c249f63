// Adding a device: one command to run there, and a line that turns green when the device arrives.

import { useState } from "preact/hooks";

import { call, id } from "../api/call.ts";
import { useChanges } from "../api/live.ts";
import type { Device, EnrolmentTicket } from "../api/model.ts";
import { clock } from "../moment.ts";
import { Button, Copyable, Link, Status } from "../parts/button.tsx";
import { Dialog, useAction } from "../parts/dialog.tsx";
import { faultOf, Input } from "../parts/field.tsx";
import { Notice } from "../parts/notice.tsx";
import { plain, shellWord } from "../plain.ts";
import { text } from "../text/en.ts";
import { say } from "../text/say.ts";

const { enrol: words } = text;

/** With `name`: a token for the device of that name, without asking for one. */
export function EnrolDialog({ name: given, onClose }: { name?: string; onClose: () => void }) {
  const [name, setName] = useState(given ?? "");
  const [ticket, setTicket] = useState<EnrolmentTicket>();
  const { busy, problem, run } = useAction();
  const submit = (event: Event) => {
    event.preventDefault();
    run(async () => setTicket(await call("POST", "/enrolment-tokens", { name: name.trim() })));
  };
  const fault = faultOf(problem, "name");
  return (
    <Dialog title={words.title} onClose={onClose} wide>
      {ticket ? (
        <Command ticket={ticket} onClose={onClose} />
      ) : (
        <form onSubmit={submit}>
          <Input
            label={words.name}
            hint={words.nameHint}
            fault={fault}
            value={name}
            onInput={setName}
            required
            autoFocus
            maxLength={64}
          />
          {problem && fault === undefined && <Notice kind="bad">{say(problem)}</Notice>}
          <footer>
            <Button onClick={onClose}>{text.common.cancel}</Button>
            <Button kind="primary" submit disabled={busy}>
              {words.next}
            </Button>
          </footer>
        </form>
      )}
    </Dialog>
  );
}

function Command({ ticket, onClose }: { ticket: EnrolmentTicket; onClose: () => void }) {
  const [arrived, setArrived] = useState(false);
  const { device } = ticket;
  useChanges((change) => {
    if (change.event === "device" && change.device_id === device.id && change.online) setArrived(true);
    if (change.event === "resync") {
      void call<Device>("GET", `/devices/${id(device.id)}`).then(
        (now) => setArrived(now.online),
        () => undefined,
      );
    }
  });
  const command = `towline agent --cloud ${shellWord(location.origin)} --enrol-token ${shellWord(ticket.token)}`;
  return (
    <form
      onSubmit={(event) => {
        event.preventDefault();
        onClose();
      }}
    >
      <p>{words.run}</p>
      <Copyable value={command} label={words.run} />
      <p class="hint">
        {words.once}, {words.until(clock(ticket.expires_at))}.
      </p>
      <p class={arrived ? "arrival here" : "arrival"} role="status">
        {arrived ? (
          <Status kind="ok">{words.arrived(plain(device.name))}</Status>
        ) : (
          <Status kind="busy">{words.waiting(plain(device.name))}</Status>
        )}
      </p>
      <footer>
        <Button submit>{arrived ? words.done : text.common.close}</Button>
        {arrived && (
          <Link button kind="primary" to={{ page: "device", device: device.id, tab: "remote-access" }}>
            {words.open}
          </Link>
        )}
      </footer>
    </form>
  );
}
