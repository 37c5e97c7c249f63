// Text on its way from a clipboard to the device, and from a program on the device to the clipboard.

/** Controls but tab and the ends of lines: pasted text is text, and presses no keys. */
const CONTROLS = /[\0-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]/g;

/** What a program may put into the clipboard. */
const MAX_COPIED_BYTES = 100 * 1024;

export function cleaned(text: string): string {
  return text.replace(CONTROLS, "").replace(/\r\n?/g, "\n");
}

/** Whether to ask first: a shell runs each line as it comes, unless it has said that it knows pasted text (`bracketed`). */
export function runsAtOnce(text: string, bracketed: boolean): boolean {
  return !bracketed && text.includes("\n");
}

export function lines(text: string): number {
  return text.replace(/\n$/, "").split("\n").length;
}

/** What an OSC 52 wants copied, such as `c;aGk=`. Nothing if it asks to read, is too large, or is no text. */
export function copiedBy(command: string): string | undefined {
  const encoded = command.slice(command.indexOf(";") + 1);
  if (encoded === "" || encoded.length > Math.ceil(MAX_COPIED_BYTES / 3) * 4) return undefined;
  try {
    const bytes = Uint8Array.from(atob(encoded), (character) => character.charCodeAt(0));
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    return undefined;
  }
}
