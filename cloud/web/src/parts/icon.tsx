// The few pictures there are, drawn on a grid of 16.

const PATHS = {
  add: "M8 3v10M3 8h10",
  search: "M7 11.5a4.5 4.5 0 1 1 0-9 4.5 4.5 0 0 1 0 9zM10.4 10.4 14 14",
  more: "M8 3.2v.1M8 8v.1M8 12.8v.1",
  down: "m4 6 4 4 4-4",
  up: "m4 10 4-4 4 4",
  back: "M13 8H3m4-4L3 8l4 4",
  copy: "M5.5 5.5v-3h8v8h-3m-8-5h8v8h-8z",
  check: "m3 8.5 3.2 3.2L13 4.8",
  close: "m4 4 8 8m0-8-8 8",
  warn: "M8 2 1.8 13.5h12.4zM8 6.5v3.2m0 1.9v.1",
  info: "M8 14A6 6 0 1 0 8 2a6 6 0 0 0 0 12zM8 7.3v3.6M8 5v.1",
  out: "M9 3h4v4m0-4L7.5 8.5M11.5 9.5V13H3V4.5h3.5",
  screen: "M2 3h12v8H2zM6 14h4M8 11v3",
  terminal: "M2 3h12v10H2zm2.5 3L7 8l-2.5 2M8.5 10.5h3",
  pipe: "M2 8h12M5 5 2 8l3 3m6-6 3 3-3 3",
  user: "M8 8a2.6 2.6 0 1 0 0-5.2A2.6 2.6 0 0 0 8 8zm-5 5.5c.5-2.6 2.4-4 5-4s4.5 1.4 5 4",
  eye: "M1.5 8S4 3.8 8 3.8 14.5 8 14.5 8 12 12.2 8 12.2 1.5 8 1.5 8zM8 9.8a1.8 1.8 0 1 0 0-3.6 1.8 1.8 0 0 0 0 3.6z",
  keyboard: "M1.5 4h13v8h-13zM4 6.5h.1M6.7 6.5h.1M9.3 6.5h.1M12 6.5h.1M5 9.5h6",
  clipboard: "M5 3.5H3.5v10h9v-10H11M5.5 2h5v3h-5z",
  camera: "M2 5h3l1-1.8h4L11 5h3v8H2zM8 11a2.2 2.2 0 1 0 0-4.4A2.2 2.2 0 0 0 8 11z",
  full: "M2.5 6v-3.5H6M10 2.5h3.5V6M13.5 10v3.5H10M6 13.5H2.5V10",
  move: "M8 1.5v13M1.5 8h13M6 3.5l2-2 2 2M6 12.5l2 2 2-2M3.5 6l-2 2 2 2M12.5 6l2 2-2 2",
  menu: "M2 4h12M2 8h12M2 12h12",
  unplug: "M3 13 5.5 10.5M13 3l-2.5 2.5M5 7l4 4-1.5 1.5a2.8 2.8 0 0 1-4-4zM11 9 7 5l1.5-1.5a2.8 2.8 0 0 1 4 4z",
} as const;

export type IconName = keyof typeof PATHS;

/** An icon; what it means stands beside it or in the label of what it is in. */
export function Icon({ name }: { name: IconName }) {
  return (
    <svg class="icon" viewBox="0 0 16 16" width="16" height="16" aria-hidden="true">
      <path
        d={PATHS[name]}
        fill="none"
        stroke="currentColor"
        stroke-width="1.6"
        stroke-linecap="round"
        stroke-linejoin="round"
      />
    </svg>
  );
}
