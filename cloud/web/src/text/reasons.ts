// Why something failed, by the codes of the closed list (cloud/api/ERRORS.md), then what to do.

export const reasons = {
  pageFailed: "the page failed",
  reload: "Load the page again.",
  noAnswer: "the cloud does not answer",

  "auth-failed": () => "User name or password is wrong.",
  "totp-required": () => "A code of your authenticator is needed.",
  "user-disabled": () => "This user is disabled. Ask an administrator.",
  "rate-limited": () => "Too many attempts. Wait a minute, then try again.",
  "cloud-unreachable": () => "The cloud does not answer. Check your network; this page will retry.",
  "device-offline": (device: string, seen: string) =>
    `${device} is offline (last seen ${seen}). It connects by itself when it is back; this page will retry.`,
  "device-timeout": (device: string) => `${device} took the request but opened no tunnel in time.`,
  "device-disabled": (device: string) => `${device} is disabled. An administrator can enable it.`,
  "device-replaced": (device: string) =>
    `Another machine connected with the identity of ${device}. Make sure that its data folder was not copied.`,
  "target-refused": (target: string) => `Nothing listens on ${target} (connection refused). Is the server running?`,
  "target-timeout": (target: string) =>
    `${target} did not answer in time. Is it up, and does a firewall let the device through?`,
  "target-unreachable": (device: string, target: string) =>
    `${device} cannot reach ${target} (no route). Check its network and the endpoint’s host.`,
  "dns-failed": (device: string, target: string) =>
    `${device} cannot resolve the name of ${target}. Correct the endpoint’s host, or the device’s name servers.`,
  "target-closed": (target: string) => `${target} broke the connection.`,
  "target-protocol": (target: string) =>
    `${target} speaks something else. Does the endpoint have the right protocol and port?`,
  "target-sign-in": (target: string) => `${target} refused the sign-in. Correct the endpoint’s user, password or key.`,
  "target-unsupported": (target: string) => `${target} asks for something that the cloud cannot do.`,
  "host-key-unknown": (target: string) =>
    `The host key of ${target} is not known and was not accepted. Compare its fingerprint with the server’s, then connect again and trust it.`,
  "host-key-changed": (target: string) =>
    `${target} shows another host key than the one that is kept with the endpoint, so nothing was sent to it. Ask whoever runs it; only if it was set up anew, replace the key in the endpoint.`,
  "protocol-forbidden": () =>
    "This protocol is switched off here. Use SSH, or ask an administrator to allow it in the settings.",
  "session-limit": () =>
    "This session has reached a limit of time. Connect again; an administrator can change the limits.",
  "policy-denied": (device: string, target: string) =>
    `The policy of ${device} does not allow ${target}. Add it to allow.toml on the device.`,
  forbidden: (permission: string) => `You need “${permission}” for this. Ask an administrator.`,
  "session-lost": () => "The connection broke and did not come back in time.",
  "session-ended": (detail: string) => `This session was ended${detail === "" ? "" : `: ${detail}`}.`,
  "shutting-down": () => "The cloud is restarting.",
  overloaded: () => "The cloud has no memory left for more connections. Try again in a minute.",
  "quota-exceeded": (detail: string) =>
    `A limit is reached${detail === "" ? "" : `: ${detail}`}. Close something, or ask for a higher limit.`,
  "unknown-endpoint": () => "This endpoint was removed.",
  "unknown-device": () => "There is no such device, or you may not see it.",
  "storage-failed": () => "The cloud cannot write its records, so it begins nothing new.",
  internal: () => "Something went wrong in the cloud. Its log has the reason.",
};
