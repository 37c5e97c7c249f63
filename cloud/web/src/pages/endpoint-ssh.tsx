// What the endpoint form asks for SSH: who signs in and how, and how the server is known again.

import type { ComponentChildren } from "preact";

import type { Endpoint } from "../api/model.ts";
import { Check, Choice, faultOf, Input, TextArea } from "../parts/field.tsx";
import { Notice } from "../parts/notice.tsx";
import { text } from "../text/en.ts";
import type { Draft, KeySource } from "./endpoint-draft.ts";
import { PublicKey, Recognised, useInspection } from "./endpoint-keys.tsx";

const { endpointForm: words } = text;

interface Asking {
  draft: Draft;
  set: (change: Partial<Draft>) => void;
  fault: (field: string) => string | undefined;
}

/** A file whose text goes into the form; it is not shown. */
function FileButton({ onText }: { onText: (content: string) => void }) {
  return (
    <label class="button file">
      {words.chooseFile}
      <input
        type="file"
        onChange={(event) => {
          const file = event.currentTarget;
          void file.files?.[0]?.text().then(onText);
          // So that the same file can be chosen again.
          file.value = "";
        }}
      />
    </label>
  );
}

export function KeyFields({ draft, set, fault, edited }: Asking & { edited: Endpoint | undefined }) {
  const kept = edited?.sign_in === "key-pair" ? edited.public_key : undefined;
  const sources: KeySource[] = [
    ...(edited?.sign_in === "key-pair" ? (["kept"] as const) : []),
    "generate",
    "paste",
    "upload",
  ];
  const isGiven = draft.keySource === "paste" || draft.keySource === "upload";
  const { found, problem } = useInspection({
    ...(isGiven && draft.privateKey !== "" ? { private_key: draft.privateKey } : {}),
    ...(isGiven && draft.privateKey !== "" && draft.passphrase !== "" ? { passphrase: draft.passphrase } : {}),
  });
  const faultIn = (field: string) => fault(field) ?? faultOf(problem, field);
  const given: Partial<Record<KeySource, ComponentChildren>> = {
    kept: kept && <PublicKey line={kept} user={draft.user} />,
    generate: <p class="hint">{words.generateSays}</p>,
    paste: (
      <TextArea
        label={words.privateKey}
        hint={words.privateKeyHint}
        fault={faultIn("private_key")}
        rows={4}
        mono
        value={draft.privateKey}
        onInput={(privateKey) => set({ privateKey })}
      />
    ),
    upload: (
      <div class="field">
        <div class="actions">
          <FileButton onText={(privateKey) => set({ privateKey })} />
        </div>
        <p class="hint">{draft.privateKey === "" ? words.privateKeyHint : words.chosen(draft.privateKey.length)}</p>
        {faultIn("private_key") !== undefined && <p class="fault">{faultIn("private_key")}</p>}
      </div>
    ),
  };
  return (
    <>
      <div class="field">
        <p class="label">{words.keyPair}</p>
        <Choice
          label={words.keyPair}
          value={draft.keySource}
          options={sources.map((value) => ({ value, label: words.keySources[value] }))}
          onChange={(keySource) => set({ keySource, privateKey: "", passphrase: "" })}
        />
      </div>
      {given[draft.keySource]}
      {found?.private_key && <Recognised keys={[found.private_key]} />}
      {isGiven && (
        <Input
          label={words.passphrase}
          hint={words.passphraseHint}
          type="password"
          autoComplete="new-password"
          optional
          fault={faultIn("passphrase")}
          value={draft.passphrase}
          onInput={(passphrase) => set({ passphrase })}
        />
      )}
    </>
  );
}

export function ServerFields({ draft, set, fault }: Asking) {
  const { found, problem } = useInspection(
    draft.hostKeys.trim() === ""
      ? {}
      : { host_keys: draft.hostKeys, host: draft.host.trim(), port: Number(draft.port) || 0 },
  );
  return (
    <>
      <TextArea
        label={words.hostKeys}
        optional
        hint={words.hostKeysHint}
        fault={fault("host_keys") ?? faultOf(problem, "host_keys")}
        rows={2}
        mono
        value={draft.hostKeys}
        onInput={(hostKeys) => set({ hostKeys })}
      />
      {found && found.host_keys.length > 0 && <Recognised keys={found.host_keys} />}
      <div class="actions">
        <FileButton onText={(more) => set({ hostKeys: withLine(draft.hostKeys, more) })} />
      </div>
      <Check label={words.legacy} checked={draft.legacy} onChange={(legacy) => set({ legacy })} />
      {draft.legacy && <Notice kind="warn">{words.legacySays}</Notice>}
    </>
  );
}

/** Lines with more lines below. */
export function withLine(lines: string, more: string): string {
  return [lines.trim(), more.trim()].filter((part) => part !== "").join("\n");
}
