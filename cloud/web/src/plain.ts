// Names and messages come from strangers. Preact shows them as text, never as markup; what is left to do is to make
// visible what would move other text around or is not seen at all.

/** Controls, marks that turn text, separators, what takes no room; but the mark that makes an emoji of a sign may stay. */
const INVISIBLE = /(?!\ufe0f)[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}\p{DI}]/gu;

/** The text with what cannot be seen written out, such as `⟨U+202E⟩`. */
export function plain(text: string): string {
  return text.replace(INVISIBLE, (found) => {
    const code = found.codePointAt(0) ?? 0;
    return `⟨U+${code.toString(16).toUpperCase().padStart(4, "0")}⟩`;
  });
}

/** A word for a POSIX shell, quoted if it has to be. */
export function shellWord(word: string): string {
  return /^[A-Za-z0-9_@%+=:,./-]+$/.test(word) && !word.startsWith("-") ? word : `'${word.replaceAll("'", `'\\''`)}'`;
}

/** Host and port as they are written together. */
export function address(host: string, port: number): string {
  return host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`;
}

/** A table as CSV (RFC 4180) in which nothing is computed by a spreadsheet. */
export function csv(rows: readonly (readonly (string | number)[])[]): string {
  return rows.map((row) => row.map(cell).join(",") + "\r\n").join("");
}

function cell(value: string | number): string {
  const text = String(value);
  const guard = typeof value === "string" && /^[=+\-@\t\r]/.test(text) ? "'" : "";
  return `"${guard}${text.replaceAll('"', '""')}"`;
}
