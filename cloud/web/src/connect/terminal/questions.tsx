// What only a person knows: whether this is the right server, and secrets that nobody keeps.

import type { ComponentChildren } from "preact";
import { useState } from "preact/hooks";

import { Button } from "../../parts/button.tsx";
import { Dialog } from "../../parts/dialog.tsx";
import { Input } from "../../parts/field.tsx";
import { Notice } from "../../parts/notice.tsx";
import { plain } from "../../plain.ts";
import { text } from "../../text/en.ts";
import type { Answer, Question } from "./words.ts";

const words = text.terminal.ask;
type Of<About> = Extract<Question, { about: About }>;

export function Asked(props: { question: Question; endpoint: string; answer: (answer: Answer) => void }) {
  const { question, endpoint, answer } = props;
  switch (question.about) {
    case "host-key":
      return <HostKey question={question} answer={answer} />;
    case "password":
      return (
        <Secrets
          title={words.password(endpoint)}
          fields={[{ label: words.passwordOf(plain(question.user)), echo: false }]}
          {...{ question, answer }}
        />
      );
    case "passphrase":
      return (
        <Secrets
          title={words.passphrase(endpoint)}
          fields={[{ label: words.passphraseOf, echo: false }]}
          {...{ question, answer }}
        />
      );
    case "prompts":
      return (
        <Secrets
          title={plain(question.name) || words.prompts(endpoint)}
          fields={question.prompts.map((prompt) => ({ label: plain(prompt.text.trim()), echo: prompt.echo }))}
          {...{ question, answer }}
        >
          {question.instructions
            .split("\n")
            .filter((line) => line.trim() !== "")
            .map((line) => (
              <p>{plain(line)}</p>
            ))}
        </Secrets>
      );
  }
}

function HostKey({ question, answer }: { question: Of<"host-key">; answer: (answer: Answer) => void }) {
  const trust = (save: boolean) => answer({ accept: true, save });
  return (
    <Dialog title={words.hostKey} onClose={() => answer({ accept: false, save: false })} wide>
      <form
        onSubmit={(event) => {
          event.preventDefault();
          trust(question.may_save);
        }}
      >
        <p>{words.hostKeySays(plain(question.target))}</p>
        <dl class="facts">
          <dt>{words.algorithm}</dt>
          <dd class="mono">{plain(question.algorithm)}</dd>
          <dt>{words.fingerprint}</dt>
          <dd class="mono">{plain(question.fingerprint)}</dd>
        </dl>
        <p class="hint">{words.hostKeyHow}</p>
        <footer>
          <Button onClick={() => answer({ accept: false, save: false })} autoFocus>
            {text.common.cancel}
          </Button>
          {question.may_save && <Button onClick={() => trust(false)}>{words.trustOnce}</Button>}
          <Button kind="primary" submit>
            {question.may_save ? words.trustAndKeep : words.trustOnce}
          </Button>
        </footer>
      </form>
    </Dialog>
  );
}

/** What is typed lives in this dialog, and is gone with it. */
function Secrets(props: {
  title: string;
  question: Of<"password" | "passphrase" | "prompts">;
  fields: readonly { label: string; echo: boolean }[];
  answer: (answer: Answer) => void;
  children?: ComponentChildren;
}) {
  const { question, fields, answer } = props;
  const [typed, setTyped] = useState<readonly string[]>(() => fields.map(() => ""));
  const cancel = () => answer({ cancel: true });
  return (
    <Dialog title={props.title} onClose={cancel}>
      <form
        autocomplete="off"
        onSubmit={(event) => {
          event.preventDefault();
          answer({ texts: [...typed] });
        }}
      >
        {question.wrong_before && <Notice kind="bad">{words.wrong}</Notice>}
        {props.children}
        {fields.map(({ label, echo }, at) => (
          <Input
            key={at}
            label={label}
            type={echo ? "text" : "password"}
            value={typed[at] ?? ""}
            onInput={(value) => setTyped(typed.map((old, each) => (each === at ? value : old)))}
            autoFocus={at === 0}
          />
        ))}
        <p class="hint">{words.notKept}</p>
        <footer>
          <Button onClick={cancel}>{text.common.cancel}</Button>
          <Button kind="primary" submit>
            {words.send}
          </Button>
        </footer>
      </form>
    </Dialog>
  );
}
