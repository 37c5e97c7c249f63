// Fields of forms: a label, a hint, and what is wrong.

import type { ComponentChildren } from "preact";
import { useId, useState } from "preact/hooks";

import type { Problem } from "../api/model.ts";
import { plain } from "../plain.ts";
import { text } from "../text/en.ts";
import { sentence } from "../text/say.ts";
import { useFocus } from "./button.tsx";

interface Around {
  label: string;
  hint?: string | undefined;
  /** What is wrong with it. */
  fault?: string | undefined;
  optional?: boolean | undefined;
}

/** What a problem says of one field. */
export function faultOf(problem: Problem | undefined, field: string): string | undefined {
  const said = problem?.errors?.find((error) => error.field === field)?.detail;
  return said === undefined ? undefined : sentence(plain(said));
}

interface Wiring {
  id: string;
  "aria-describedby"?: string;
  "aria-invalid"?: true;
}

function Labelled({
  label,
  hint,
  fault,
  optional,
  children,
}: Around & { children: (wiring: Wiring) => ComponentChildren }) {
  const id = useId();
  const says = [hint !== undefined && `${id}-hint`, fault !== undefined && `${id}-fault`].filter(Boolean).join(" ");
  return (
    <div class="field">
      <label for={id}>
        {label}
        {optional && <span class="soft"> ({text.common.optional})</span>}
      </label>
      {children({
        id,
        ...(says ? { "aria-describedby": says } : {}),
        ...(fault !== undefined ? { "aria-invalid": true } : {}),
      })}
      {hint !== undefined && (
        <p class="hint" id={`${id}-hint`}>
          {hint}
        </p>
      )}
      {fault !== undefined && (
        <p class="fault" id={`${id}-fault`}>
          {fault}
        </p>
      )}
    </div>
  );
}

export interface InputProps extends Around {
  value: string;
  onInput: (value: string) => void;
  type?: "text" | "password" | "number" | "search" | "date" | undefined;
  autoComplete?: string | undefined;
  required?: boolean | undefined;
  autoFocus?: boolean | undefined;
  maxLength?: number | undefined;
  min?: number | undefined;
  max?: number | undefined;
  step?: "any" | undefined;
  placeholder?: string | undefined;
  pattern?: string | undefined;
  numeric?: boolean | undefined;
}

export function Input({
  label,
  hint,
  fault,
  optional,
  value,
  onInput,
  autoFocus,
  autoComplete,
  numeric,
  ...rest
}: InputProps) {
  const element = useFocus<HTMLInputElement>(autoFocus);
  return (
    <Labelled label={label} hint={hint} fault={fault} optional={optional}>
      {(wiring) => (
        <input
          {...wiring}
          {...rest}
          ref={element}
          // The types of JSX want one known kind of field.
          type={(rest.type ?? "text") as "text"}
          value={value}
          autofocus={autoFocus}
          autocomplete={autoComplete ?? "off"}
          inputMode={numeric ? "numeric" : undefined}
          spellcheck={false}
          autocapitalize="off"
          onInput={(event) => onInput(event.currentTarget.value)}
        />
      )}
    </Labelled>
  );
}

export function TextArea(
  props: Around & { value: string; rows: number; onInput: (value: string) => void; readOnly?: boolean; mono?: boolean },
) {
  return (
    <Labelled label={props.label} hint={props.hint} fault={props.fault} optional={props.optional}>
      {(wiring) => (
        <textarea
          {...wiring}
          class={props.mono ? "mono" : undefined}
          rows={props.rows}
          value={props.value}
          readOnly={props.readOnly}
          spellcheck={false}
          autocomplete="off"
          onInput={(event) => props.onInput(event.currentTarget.value)}
        />
      )}
    </Labelled>
  );
}

export interface Option<T extends string> {
  value: T;
  label: string;
}

export function Select<T extends string>(
  props: Around & { value: T; options: readonly Option<T>[]; onChange: (value: T) => void },
) {
  return (
    <Labelled label={props.label} hint={props.hint} fault={props.fault}>
      {(wiring) => (
        <select {...wiring} value={props.value} onChange={(event) => props.onChange(event.currentTarget.value as T)}>
          {props.options.map(({ value, label }) => (
            <option key={value} value={value}>
              {label}
            </option>
          ))}
        </select>
      )}
    </Labelled>
  );
}

/** What was ticked shows at once, and falls back if `onChange` comes to nothing. */
export function Check(props: {
  label: string;
  checked: boolean;
  onChange: (checked: boolean) => void | Promise<void>;
  hiddenLabel?: boolean;
}) {
  const [wished, setWished] = useState<boolean>();
  const change = async (checked: boolean) => {
    setWished(checked);
    await props.onChange(checked);
    setWished(undefined);
  };
  return (
    <label class="check">
      <input
        type="checkbox"
        checked={wished ?? props.checked}
        onChange={(event) => void change(event.currentTarget.checked)}
      />
      <span class={props.hiddenLabel ? "hidden" : undefined}>{props.label}</span>
    </label>
  );
}

/** One of a few, all of them seen. */
export function Choice<T extends string>(props: {
  label: string;
  value: T;
  options: readonly (Option<T> & { says?: string; title?: string })[];
  onChange: (value: T) => void;
  cards?: boolean;
  disabled?: boolean;
}) {
  const name = useId();
  return (
    <fieldset class={props.cards ? "choice cards" : "choice"} disabled={props.disabled}>
      <legend class={props.cards ? undefined : "hidden"}>{props.label}</legend>
      <div class="options">
        {props.options.map(({ value, label, says, title }) => (
          <label key={value} title={title}>
            <input
              type="radio"
              name={name}
              value={value}
              checked={props.value === value}
              onChange={() => props.onChange(value)}
            />
            <span>
              {label}
              {says !== undefined && <small>{says}</small>}
            </span>
          </label>
        ))}
      </div>
    </fieldset>
  );
}
