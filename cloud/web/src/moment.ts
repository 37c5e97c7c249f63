// Times and amounts as people read them.

import { text } from "./text/en.ts";

const LANGUAGE = text.language;
const relative = new Intl.RelativeTimeFormat(LANGUAGE, { numeric: "auto" });
const CLOCK = { hour: "2-digit", minute: "2-digit", second: "2-digit", hour12: false } as const;
const sameDay = new Intl.DateTimeFormat(LANGUAGE, CLOCK);
const otherDay = new Intl.DateTimeFormat(LANGUAGE, { month: "short", day: "numeric", ...CLOCK });
const otherYear = new Intl.DateTimeFormat(LANGUAGE, { year: "numeric", month: "short", day: "numeric", ...CLOCK });

const STEPS: readonly [Intl.RelativeTimeFormatUnit, number][] = [
  ["day", 86_400_000],
  ["hour", 3_600_000],
  ["minute", 60_000],
];

/** `3 hours ago`. */
export function ago(at: string, now = Date.now()): string {
  const past = Date.parse(at) - now;
  for (const [unit, millis] of STEPS) {
    if (Math.abs(past) >= millis) return relative.format(Math.trunc(past / millis), unit);
  }
  return text.moment.now;
}

/** The time, with as much of its date as differs from now. */
export function clock(at: string, now = new Date()): string {
  const date = new Date(at);
  if (date.toDateString() === now.toDateString()) return sameDay.format(date);
  return (date.getFullYear() === now.getFullYear() ? otherDay : otherYear).format(date);
}

/** The time and its date, whole. */
export function whole(at: string): string {
  return otherYear.format(new Date(at));
}

/** A length of time in its two largest units: `1 h 4 min`, `12 s`, `340 ms`. */
export function span(millis: number): string {
  if (millis < 1000) return `${Math.max(0, Math.round(millis))} ms`;
  const seconds = Math.floor(millis / 1000);
  if (seconds < 60) return `${seconds} s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return `${minutes} min ${seconds % 60} s`;
  return `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}

/** From one time to another. */
export function between(start: string, end: string | number): number {
  return (typeof end === "number" ? end : Date.parse(end)) - Date.parse(start);
}

/** `3.4 MB`. */
export function size(bytes: number): string {
  const units = ["B", "kB", "MB", "GB", "TB"];
  let step = 0;
  let amount = bytes;
  while (amount >= 1000 && step < units.length - 1) {
    amount /= 1000;
    step += 1;
  }
  return `${step === 0 || amount >= 100 ? Math.round(amount) : amount.toFixed(1)} ${units[step]}`;
}
