// A failure in words for people: by its code where the page has words, else in the cloud's own.

import { PERMISSIONS, type Permission, type Problem } from "../api/model.ts";
import { plain } from "../plain.ts";
import { text } from "./en.ts";

/** What is known around a failure. */
export interface Around {
  device?: string | undefined;
  target?: string | undefined;
  /** When the device was last seen, as people read it. */
  seen?: string | undefined;
}

/** What happened and what to do, in one or two sentences. */
export function say(problem: Problem, around: Around = {}): string {
  const { reasons } = text;
  const device = plain(around.device ?? "The device");
  const target = plain(around.target ?? "the target");
  const detail = plain(problem.detail);
  switch (problem.code) {
    case "device-offline":
      return reasons["device-offline"](device, around.seen ?? text.devices.never);
    case "device-timeout":
    case "device-disabled":
    case "device-replaced":
      return reasons[problem.code](device);
    case "target-refused":
      return around.target === undefined ? inItsOwnWords(problem) : reasons["target-refused"](target);
    case "target-timeout":
    case "target-closed":
    case "target-protocol":
    case "target-sign-in":
    case "target-unsupported":
      return around.target === undefined ? inItsOwnWords(problem) : withDetail(reasons[problem.code](target), detail);
    case "host-key-unknown":
      return withDetail(reasons["host-key-unknown"](target), detail);
    case "host-key-changed":
      // Both fingerprints stand in the detail.
      return detail === ""
        ? reasons["host-key-changed"](target)
        : `${reasons["host-key-changed"](target)} ${sentence(detail)}`;
    case "target-unreachable":
    case "dns-failed":
    case "policy-denied":
      return around.target === undefined ? inItsOwnWords(problem) : reasons[problem.code](device, target);
    case "forbidden":
      return reasons.forbidden(permissionIn(problem.detail));
    case "session-ended":
    case "quota-exceeded":
      return reasons[problem.code](detail);
    case "auth-failed":
    case "totp-required":
    case "user-disabled":
    case "rate-limited":
    case "cloud-unreachable":
    case "session-lost":
    case "session-limit":
    case "protocol-forbidden":
    case "shutting-down":
    case "overloaded":
    case "unknown-endpoint":
    case "unknown-device":
    case "storage-failed":
      return reasons[problem.code]();
    case "internal":
      return problem.hop === "browser" ? inItsOwnWords(problem) : withDetail(reasons.internal(), detail);
    default:
      return inItsOwnWords(problem);
  }
}

function inItsOwnWords({ title, detail, remedy }: Problem): string {
  const cause = plain(detail === "" ? title : `${title}: ${detail}`);
  return [cause, plain(remedy)]
    .filter((part) => part !== "")
    .map(sentence)
    .join(" ");
}

function withDetail(said: string, detail: string): string {
  return detail === "" ? said : `${said} (${detail})`;
}

function permissionIn(detail: string): string {
  const word = detail.split(" ")[0] as Permission;
  return PERMISSIONS.includes(word) ? text.permission[word] : plain(detail);
}

/** Begins with a capital, ends with a full stop. */
export function sentence(clause: string): string {
  const begun = clause.charAt(0).toUpperCase() + clause.slice(1);
  return /[.!?…]$/.test(begun) ? begun : `${begun}.`;
}
