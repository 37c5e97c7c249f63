// Making a user, and giving one a new password: it is shown to the administrator this once.

import { useState } from "preact/hooks";

import { call, id } from "../../api/call.ts";
import type { User } from "../../api/model.ts";
import { Button } from "../../parts/button.tsx";
import { Dialog, useAction } from "../../parts/dialog.tsx";
import { faultOf, Input } from "../../parts/field.tsx";
import { Notice, toast } from "../../parts/notice.tsx";
import { plain } from "../../plain.ts";
import { text } from "../../text/en.ts";
import { say } from "../../text/say.ts";

const words = text.people.users;
/** No letters that look like others; 32 of them, so that each is five bits. */
const ALPHABET = "abcdefghjkmnpqrstuvwxyz23456789_";
const GENERATED_CHARS = 20;

function generate(): string {
  const random = crypto.getRandomValues(new Uint8Array(GENERATED_CHARS));
  return Array.from(random, (byte) => ALPHABET[byte % ALPHABET.length]).join("");
}

function PasswordField(props: { value: string; onInput: (value: string) => void; fault: string | undefined }) {
  return (
    <div class="inline">
      <Input
        label={words.password}
        hint={`${text.people.password.hint}. ${words.show}`}
        value={props.value}
        onInput={props.onInput}
        fault={props.fault}
        required
      />
      <Button onClick={() => props.onInput(generate())}>{words.generate}</Button>
    </div>
  );
}

export function UserDialog({ onClose, onAdded }: { onClose: () => void; onAdded: () => void }) {
  const [name, setName] = useState("");
  const [password, setPassword] = useState("");
  const { busy, problem, run } = useAction();
  const submit = (event: Event) => {
    event.preventDefault();
    run(async () => {
      await call("POST", "/users", { name: name.trim(), password });
      onAdded();
      onClose();
    });
  };
  return (
    <Dialog title={words.add} onClose={onClose}>
      <form onSubmit={submit} autocomplete="off">
        <Input
          label={words.name}
          value={name}
          onInput={setName}
          fault={faultOf(problem, "name")}
          required
          autoFocus
          maxLength={64}
        />
        <PasswordField value={password} onInput={setPassword} fault={faultOf(problem, "password")} />
        {problem && !problem.errors && <Notice kind="bad">{say(problem)}</Notice>}
        <footer>
          <Button onClick={onClose}>{text.common.cancel}</Button>
          <Button kind="primary" submit disabled={busy}>
            {text.common.add}
          </Button>
        </footer>
      </form>
    </Dialog>
  );
}

export function PasswordDialog({ user, onClose }: { user: User; onClose: () => void }) {
  const [password, setPassword] = useState("");
  const { busy, problem, run } = useAction();
  const submit = (event: Event) => {
    event.preventDefault();
    run(async () => {
      await call("PUT", `/users/${id(user.id)}/password`, { password });
      toast(words.resetDone);
      onClose();
    });
  };
  return (
    <Dialog title={words.resetFor(plain(user.name))} onClose={onClose}>
      <form onSubmit={submit} autocomplete="off">
        <p>{words.resetSays}</p>
        <PasswordField value={password} onInput={setPassword} fault={faultOf(problem, "password")} />
        {problem && !problem.errors && <Notice kind="bad">{say(problem)}</Notice>}
        <footer>
          <Button onClick={onClose}>{text.common.cancel}</Button>
          <Button kind="primary" submit disabled={busy}>
            {words.reset}
          </Button>
        </footer>
      </form>
    </Dialog>
  );
}
