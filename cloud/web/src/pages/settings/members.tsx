// Putting things into a group and taking them out: a list to tick. Each tick is in force at once.

import { useState } from "preact/hooks";

import type { Named } from "../../api/model.ts";
import { Button } from "../../parts/button.tsx";
import { Dialog, useAction } from "../../parts/dialog.tsx";
import { Check, Input } from "../../parts/field.tsx";
import { Empty, Notice } from "../../parts/notice.tsx";
import { plain } from "../../plain.ts";
import { text } from "../../text/en.ts";
import { say } from "../../text/say.ts";

const MANY = 12;

export function MembersDialog(props: {
  title: string;
  all: readonly Named[];
  chosen: ReadonlySet<string>;
  none: string;
  onChange: (id: string, member: boolean) => Promise<void>;
  onClose: () => void;
}) {
  const [wanted, setWanted] = useState("");
  const { problem, run } = useAction();
  const shown = props.all.filter(({ name }) => name.toLowerCase().includes(wanted.toLowerCase()));
  return (
    <Dialog title={props.title} onClose={props.onClose}>
      <form
        onSubmit={(event) => {
          event.preventDefault();
          props.onClose();
        }}
      >
        {props.all.length > MANY && (
          <Input label={text.audit.filter} type="search" value={wanted} onInput={setWanted} />
        )}
        {problem && <Notice kind="bad">{say(problem)}</Notice>}
        {shown.length === 0 ? (
          <Empty title={props.none} />
        ) : (
          <ul class="ticks">
            {shown.map(({ id, name }) => (
              <li key={id}>
                <Check
                  label={plain(name)}
                  checked={props.chosen.has(id)}
                  onChange={(member) => run(() => props.onChange(id, member))}
                />
              </li>
            ))}
          </ul>
        )}
        <footer>
          <Button kind="primary" submit>
            {text.people.users.done}
          </Button>
        </footer>
      </form>
    </Dialog>
  );
}

/** A dialog that asks for a name and makes something of it. */
export function NameDialog(props: {
  title: string;
  label: string;
  onName: (name: string) => Promise<void>;
  onClose: () => void;
}) {
  const [name, setName] = useState("");
  const { busy, problem, run } = useAction();
  const submit = (event: Event) => {
    event.preventDefault();
    run(async () => {
      await props.onName(name.trim());
      props.onClose();
    });
  };
  return (
    <Dialog title={props.title} onClose={props.onClose}>
      <form onSubmit={submit}>
        <Input
          label={props.label}
          value={name}
          onInput={setName}
          fault={problem && say(problem)}
          required
          autoFocus
          maxLength={64}
        />
        <footer>
          <Button onClick={props.onClose}>{text.common.cancel}</Button>
          <Button kind="primary" submit disabled={busy}>
            {text.common.add}
          </Button>
        </footer>
      </form>
    </Dialog>
  );
}
