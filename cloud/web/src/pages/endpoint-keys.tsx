// Keys of SSH endpoints: what a pasted one is, and putting the public half of a pair onto its target.

import { useEffect, useState } from "preact/hooks";

import { call, id, problemFrom } from "../api/call.ts";
import type {
  Device,
  Endpoint,
  InspectKeys,
  InspectedKey,
  InspectedKeys,
  InstalledKey,
  Problem,
} from "../api/model.ts";
import { Button, Copyable } from "../parts/button.tsx";
import { Dialog, useAction } from "../parts/dialog.tsx";
import { Input } from "../parts/field.tsx";
import { Notice, toast } from "../parts/notice.tsx";
import { address, plain } from "../plain.ts";
import { text } from "../text/en.ts";
import { say } from "../text/say.ts";

const { endpointForm: words } = text;
/** So long nobody types any more. */
const PAUSE_MILLIS = 400;

/** What the cloud says of keys as they are typed. */
export interface Inspection {
  found: InspectedKeys | undefined;
  problem: Problem | undefined;
}

const NOTHING: Inspection = { found: undefined, problem: undefined };

/** `asked`: empty when there is nothing to ask. */
export function useInspection(asked: InspectKeys): Inspection {
  const [inspection, setInspection] = useState(NOTHING);
  const body = JSON.stringify(asked);
  useEffect(() => {
    if (body === "{}") {
      setInspection(NOTHING);
      return undefined;
    }
    const asking = new AbortController();
    const ask = async () => {
      try {
        const found = await call<InspectedKeys>("POST", "/key-inspections", JSON.parse(body), asking.signal);
        setInspection({ found, problem: undefined });
      } catch (error) {
        if (!asking.signal.aborted) setInspection({ found: undefined, problem: problemFrom(error) });
      }
    };
    const pause = setTimeout(() => void ask(), PAUSE_MILLIS);
    return () => {
      clearTimeout(pause);
      asking.abort();
    };
  }, [body]);
  return inspection;
}

/** What keys are that were recognised. */
export function Recognised({ keys }: { keys: readonly InspectedKey[] }) {
  return (
    <div role="status">
      <ul class="recognised" aria-label={words.recognised}>
        {keys.map((key, index) => (
          <li key={index}>
            {plain(words.recognisedKey(key))}
            {key.fingerprint && <code>{plain(key.fingerprint)}</code>}
            {key.comment && <span class="soft">{plain(key.comment)}</span>}
          </li>
        ))}
      </ul>
    </div>
  );
}

/** The line for the target, to take away. */
export function PublicKey({ line, user }: { line: string; user: string }) {
  return (
    <div class="field">
      <p class="label">{words.publicKey}</p>
      <Copyable value={line} label={words.publicKey} />
      <p class="hint">{words.publicKeyHint(plain(user))}</p>
    </div>
  );
}

/** Puts the line there, with the user's password. */
export function InstallDialog(props: { device: Device; endpoint: Endpoint; onClose: () => void }) {
  const { device, endpoint, onClose } = props;
  const [password, setPassword] = useState("");
  const { busy, problem, run } = useAction();
  // What the server shows is in the problem's detail.
  const shown = problem?.code === "host-key-unknown" ? problem.detail : undefined;
  const install = (trusted?: string) =>
    run(async () => {
      const path = `/devices/${id(device.id)}/endpoints/${id(endpoint.id)}/key-installations`;
      const wish = { password, ...(trusted === undefined ? {} : { host_key: trusted }) };
      const { was_there: wasThere } = await call<InstalledKey>("POST", path, wish);
      toast(wasThere ? words.keyWasThere : words.keyInstalled);
      onClose();
    });
  return (
    <Dialog title={`${words.install}: ${plain(endpoint.name)}`} onClose={onClose}>
      <form
        onSubmit={(event) => {
          event.preventDefault();
          void install();
        }}
      >
        <p>{words.installSays(plain(endpoint.user ?? ""), plain(address(endpoint.host, endpoint.port)))}</p>
        <Input
          label={words.targetPassword(plain(endpoint.user ?? ""))}
          hint={words.targetPasswordHint}
          type="password"
          value={password}
          onInput={setPassword}
          required
          autoFocus
        />
        {shown !== undefined ? (
          <Notice kind="info">
            <p>{words.keepHostKeySays(plain(shown))}</p>
            <Button disabled={busy} onClick={() => void install(shown)}>
              {words.trustAndInstall}
            </Button>
          </Notice>
        ) : (
          problem && (
            <Notice kind="bad">
              {say(problem, { device: device.name, target: address(endpoint.host, endpoint.port) })}
              {problem.detail !== "" && <p class="soft">{plain(problem.detail)}</p>}
            </Notice>
          )
        )}
        <footer>
          <Button onClick={onClose}>{text.common.cancel}</Button>
          <Button kind="primary" submit disabled={busy}>
            {words.install}
          </Button>
        </footer>
      </form>
    </Dialog>
  );
}
