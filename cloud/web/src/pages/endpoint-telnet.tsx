// What the endpoint form asks for Telnet: how keys and text are treated. Most targets need none of it.

import type { TelnetOptions, TelnetWhen } from "../api/model.ts";
import { Check, Select } from "../parts/field.tsx";
import { text } from "../text/en.ts";
import { presetOf, TELNET_PRESETS, type Draft, type TelnetPreset } from "./endpoint-draft.ts";

const { endpointForm: words } = text;

/** Of those there are, what old devices speak. */
const CHARSETS = [
  "utf-8",
  "iso-8859-1",
  "iso-8859-2",
  "iso-8859-5",
  "iso-8859-15",
  "windows-1250",
  "windows-1251",
  "windows-1252",
  "koi8-r",
  "ibm866",
  "cp437",
  "shift_jis",
  "euc-jp",
  "gbk",
  "gb18030",
  "big5",
  "euc-kr",
];

export function TelnetFields({ draft, set }: { draft: Draft; set: (change: Partial<Draft>) => void }) {
  const { telnet } = draft;
  const change = (some: Partial<TelnetOptions>) => set({ telnet: { ...telnet, ...some } });
  const preset = presetOf(telnet);
  const presets: TelnetPreset[] = ["telnet", "serial", ...(preset === "other" ? (["other"] as const) : [])];
  return (
    <>
      <Select
        label={words.presets}
        value={preset}
        options={presets.map((value) => ({ value, label: words.preset[value] }))}
        onChange={(chosen) => chosen !== "other" && change(TELNET_PRESETS[chosen])}
      />
      <details class="below-fold">
        <summary>{words.behaviour}</summary>
        <div class="pair">
          <Select
            label={words.newline}
            value={telnet.newline}
            options={optionsOf(words.newlines)}
            onChange={(newline) => change({ newline })}
          />
          <Select
            label={words.backspace}
            value={telnet.backspace}
            options={optionsOf(words.backspaces)}
            onChange={(backspace) => change({ backspace })}
          />
          <Select
            label={words.interrupt}
            value={telnet.interrupt}
            options={optionsOf(words.interrupts)}
            onChange={(interrupt) => change({ interrupt })}
          />
          <Select
            label={words.charset}
            value={telnet.charset}
            options={[...new Set([...CHARSETS, telnet.charset])].map((value) => ({ value, label: value }))}
            onChange={(charset) => change({ charset })}
          />
          <Select<TelnetWhen>
            label={words.echo}
            value={telnet.local_echo}
            options={optionsOf(words.whens)}
            onChange={(echo) => change({ local_echo: echo })}
          />
          <Select<TelnetWhen>
            label={words.editing}
            value={telnet.local_editing}
            options={optionsOf(words.whens)}
            onChange={(editing) => change({ local_editing: editing })}
          />
        </div>
        <Check
          label={words.speakFirst}
          checked={telnet.speak_first}
          onChange={(speakFirst) => change({ speak_first: speakFirst })}
        />
      </details>
    </>
  );
}

function optionsOf<T extends string>(labels: Record<T, string>) {
  return (Object.keys(labels) as T[]).map((value) => ({ value, label: labels[value] }));
}
