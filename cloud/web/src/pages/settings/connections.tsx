// What holds for all connections: host keys, Telnet, limits of time.

import { useState } from "preact/hooks";

import { call } from "../../api/call.ts";
import { useLoaded } from "../../api/loaded.ts";
import type { Settings } from "../../api/model.ts";
import { Button } from "../../parts/button.tsx";
import { useAction } from "../../parts/dialog.tsx";
import { Check, faultOf, Input } from "../../parts/field.tsx";
import { Notice, Shown, toast } from "../../parts/notice.tsx";
import { text } from "../../text/en.ts";
import { say } from "../../text/say.ts";

const words = text.people.connections;
const MOST_MINUTES = 30 * 24 * 60;

export function Connections() {
  const loaded = useLoaded((signal) => call<Settings>("GET", "/settings", undefined, signal), []);
  return (
    <section class="card prose">
      <h2>{text.people.sections.connections}</h2>
      <p class="hint">{words.says}</p>
      <Shown loaded={loaded}>
        {(settings) => <Form settings={settings} onSaved={(saved) => loaded.edit(() => saved)} />}
      </Shown>
    </section>
  );
}

function Form({ settings, onSaved }: { settings: Settings; onSaved: (saved: Settings) => void }) {
  const [draft, setDraft] = useState({
    saveHostKeys: settings.save_host_keys,
    allowTelnet: settings.allow_telnet,
    idle: String(settings.idle_limit_seconds / 60),
    total: String(settings.total_limit_seconds / 60),
  });
  const set = (change: Partial<typeof draft>) => setDraft({ ...draft, ...change });
  const { busy, problem, run } = useAction();
  const submit = (event: Event) => {
    event.preventDefault();
    run(async () => {
      const saved = await call<Settings>("PATCH", "/settings", {
        save_host_keys: draft.saveHostKeys,
        allow_telnet: draft.allowTelnet,
        idle_limit_seconds: Math.round(Number(draft.idle) * 60),
        total_limit_seconds: Math.round(Number(draft.total) * 60),
      } satisfies Settings);
      onSaved(saved);
      toast(words.saved);
    });
  };
  const minutes = {
    hint: words.minutes,
    type: "number",
    min: 0,
    max: MOST_MINUTES,
    step: "any",
    required: true,
  } as const;
  return (
    <form onSubmit={submit}>
      <div class="field">
        <Check
          label={words.saveHostKeys}
          checked={draft.saveHostKeys}
          onChange={(saveHostKeys) => set({ saveHostKeys })}
        />
        <p class="hint">{words.saveHostKeysSays}</p>
      </div>
      <div class="field">
        <Check label={words.allowTelnet} checked={draft.allowTelnet} onChange={(allowTelnet) => set({ allowTelnet })} />
        <p class="hint">{words.allowTelnetSays}</p>
      </div>
      <Input
        {...minutes}
        label={words.idle}
        value={draft.idle}
        onInput={(idle) => set({ idle })}
        fault={faultOf(problem, "idle_limit_seconds")}
      />
      <Input
        {...minutes}
        label={words.total}
        value={draft.total}
        onInput={(total) => set({ total })}
        fault={faultOf(problem, "total_limit_seconds")}
      />
      {problem && !problem.errors && <Notice kind="bad">{say(problem)}</Notice>}
      <footer>
        <Button kind="primary" submit disabled={busy}>
          {words.save}
        </Button>
      </footer>
    </form>
  );
}
