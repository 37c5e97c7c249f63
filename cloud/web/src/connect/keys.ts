// Keys that a browser keeps for itself, as X11 keysyms and the names of their places on a keyboard.

export interface Key {
  keysym: number;
  /** `KeyboardEvent.code`, where the key has a place. */
  code: string | null;
}

const NAMED: Record<string, Key> = {
  ctrl: { keysym: 0xffe3, code: "ControlLeft" },
  alt: { keysym: 0xffe9, code: "AltLeft" },
  altgr: { keysym: 0xfe03, code: "AltRight" },
  shift: { keysym: 0xffe1, code: "ShiftLeft" },
  win: { keysym: 0xffeb, code: "MetaLeft" },
  esc: { keysym: 0xff1b, code: "Escape" },
  tab: { keysym: 0xff09, code: "Tab" },
  enter: { keysym: 0xff0d, code: "Enter" },
  space: { keysym: 0x20, code: "Space" },
  backspace: { keysym: 0xff08, code: "Backspace" },
  del: { keysym: 0xffff, code: "Delete" },
  ins: { keysym: 0xff63, code: "Insert" },
  home: { keysym: 0xff50, code: "Home" },
  end: { keysym: 0xff57, code: "End" },
  pageup: { keysym: 0xff55, code: "PageUp" },
  pagedown: { keysym: 0xff56, code: "PageDown" },
  left: { keysym: 0xff51, code: "ArrowLeft" },
  up: { keysym: 0xff52, code: "ArrowUp" },
  right: { keysym: 0xff53, code: "ArrowRight" },
  down: { keysym: 0xff54, code: "ArrowDown" },
  printscreen: { keysym: 0xff61, code: "PrintScreen" },
  pause: { keysym: 0xff13, code: "Pause" },
  menu: { keysym: 0xff67, code: "ContextMenu" },
};

const ALIASES: Record<string, string> = {
  control: "ctrl",
  strg: "ctrl",
  option: "alt",
  windows: "win",
  super: "win",
  meta: "win",
  cmd: "win",
  escape: "esc",
  return: "enter",
  delete: "del",
  insert: "ins",
  pgup: "pageup",
  pgdn: "pagedown",
  prtsc: "printscreen",
};

/** The key of that name, such as `Ctrl`, `F11`, `a`; `undefined` if there is none. */
export function keyNamed(word: string): Key | undefined {
  const name = word.toLowerCase();
  const known = NAMED[ALIASES[name] ?? name];
  if (known) return known;
  const number = /^f([1-9]|1[0-9]|2[0-4])$/.exec(name)?.[1];
  if (number !== undefined) return { keysym: 0xffbd + Number(number), code: name.toUpperCase() };
  return [...word].length === 1 ? keyOf(name) : undefined;
}

/** The key that types a character. */
export function keyOf(character: string): Key {
  const point = character.codePointAt(0) ?? 0;
  if (character === "\n" || character === "\r") return { keysym: 0xff0d, code: "Enter" };
  if (character === "\t") return { keysym: 0xff09, code: "Tab" };
  const code = /[a-z]/i.test(character)
    ? `Key${character.toUpperCase()}`
    : /[0-9]/.test(character)
      ? `Digit${character}`
      : null;
  // Latin-1 has its own keysyms; every other character is its number in Unicode with a bit set.
  const isLatin = (point >= 0x20 && point <= 0x7e) || (point >= 0xa0 && point <= 0xff);
  return { keysym: isLatin ? point : 0x01000000 | point, code };
}

/** `Ctrl+Alt+F2` as keys, or the word that is none. */
export function combination(words: string): Key[] | string {
  const keys: Key[] = [];
  for (const word of words.trim().split(/\s*\+\s*/)) {
    const key = keyNamed(word);
    if (!key) return word;
    keys.push(key);
  }
  return keys;
}

/** What a keyboard on glass did to a text: how much it took from the end, and what it put there. */
export function typed(before: string, after: string): { erased: number; added: string } {
  const [old, now] = [[...before], [...after]];
  let same = 0;
  while (same < old.length && same < now.length && old[same] === now[same]) same += 1;
  return { erased: old.length - same, added: now.slice(same).join("") };
}
