// The bar at the top: where one can go, who one is.

import { call, me } from "./api/call.ts";
import { Link, Name } from "./parts/button.tsx";
import { Menu } from "./parts/menu.tsx";
import { DEVICES, go, route } from "./router.ts";
import { text } from "./text/en.ts";
import { chooseTheme, theme, THEMES } from "./theme.ts";
import { showShortcuts } from "./shortcuts.tsx";

export function Header() {
  const page = route.value.page;
  const user = me.value;
  if (!user) return null;
  const { frame } = text;
  const logout = () =>
    void call("POST", "/logout").finally(() => {
      me.value = null;
      go(DEVICES, true);
    });
  return (
    <header class="top">
      <Link to={DEVICES} class="brand" label={text.product}>
        <Brand />
        <span>{text.product}</span>
      </Link>
      <nav aria-label={frame.navigation}>
        <Link to={DEVICES} current={page === "devices" || page === "device"}>
          {frame.devices}
        </Link>
        {user.permissions.includes("user-admin") && (
          <Link to={{ page: "audit" }} current={page === "audit"}>
            {frame.audit}
          </Link>
        )}
        <Link to={{ page: "settings", section: "account" }} current={page === "settings"}>
          {frame.settings}
        </Link>
      </nav>
      <Menu
        label={frame.userMenu(user.name)}
        icon="user"
        kind="quiet"
        text={
          <span class="who">
            <Name>{user.name}</Name>
          </span>
        }
        items={[
          { label: frame.account, run: () => go({ page: "settings", section: "account" }) },
          ...THEMES.map((each) => ({
            label: `${frame.theme}: ${frame.themes[each]}`,
            checked: theme.value === each,
            run: () => chooseTheme(each),
          })),
          { label: frame.shortcuts, hint: "?", run: showShortcuts },
          { label: frame.about, run: () => go({ page: "about" }) },
          { label: frame.logout, run: logout },
        ]}
      />
    </header>
  );
}

export function Brand() {
  return (
    <svg
      viewBox="0 0 24 24"
      width="22"
      height="22"
      aria-hidden="true"
      fill="none"
      stroke="currentColor"
      stroke-width="2.2"
      stroke-linecap="round"
    >
      <circle cx="5.5" cy="17.5" r="3.2" />
      <circle cx="18.5" cy="6.5" r="3.2" />
      <path d="M8 15.4 16 8.600" />
    </svg>
  );
}
