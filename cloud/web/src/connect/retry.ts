// Which ends of a connection are worth another attempt by itself, and when.

/** The network's or a restart's doing. Never a wrong password, a removal, a person. */
const PASSING: ReadonlySet<string> = new Set([
  "cloud-unreachable",
  "device-offline",
  "device-timeout",
  "session-lost",
  "shutting-down",
]);

const PAUSES_S = [1, 2, 4, 8, 15] as const;

export function passes(code: string): boolean {
  return PASSING.has(code);
}

/** Seconds before the next attempt after `failures` failed ones in a row. */
export function pauseSeconds(failures: number): number {
  return PAUSES_S[Math.min(failures, PAUSES_S.length - 1)] ?? 15;
}
