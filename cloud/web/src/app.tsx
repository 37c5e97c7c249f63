// The page's frame: who is here decides between the login and everything else, the URL what that is.

import type { ComponentType } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";

import { me } from "./api/call.ts";
import { hearing } from "./api/live.ts";
import { Header } from "./header.tsx";
import { AuditPage } from "./pages/audit.tsx";
import { DevicePage } from "./pages/device.tsx";
import { DevicesPage } from "./pages/devices.tsx";
import { LoginPage } from "./pages/login.tsx";
import { SettingsPage } from "./pages/settings.tsx";
import { Link } from "./parts/button.tsx";
import { Heading } from "./parts/heading.tsx";
import { Loading, Notice, Toasts } from "./parts/notice.tsx";
import { DEVICES, route, type Route } from "./router.ts";
import { Shortcuts } from "./shortcuts.tsx";
import { text } from "./text/en.ts";

export function App() {
  if (me.value === undefined) return <Loading />;
  if (me.value === null) return <LoginPage />;
  if (route.value.page === "connect") {
    const { device, endpoint, view, scale } = route.value;
    return <Later load={connectPage} inputs={{ device, endpoint, view, scale }} />;
  }
  return <Framed shown={route.value} />;
}

const connectPage = () => import("./connect/page.tsx").then(({ ConnectPage }) => ConnectPage);
const aboutPage = () => import("./pages/about.tsx").then(({ AboutPage }) => AboutPage);

function Framed({ shown }: { shown: Route }) {
  const main = useRef<HTMLElement>(null);
  const place = shown.page === "device" ? `${shown.page} ${shown.device}` : shown.page;
  useEffect(() => scrollTo(0, 0), [place]);
  return (
    <>
      <a
        class="skip"
        href="#main"
        onClick={(event) => {
          event.preventDefault();
          main.current?.focus();
        }}
      >
        {text.common.skip}
      </a>
      <Header />
      {!hearing.value && (
        <div class="strip">
          <Notice kind="warn">{text.frame.notHearing}</Notice>
        </div>
      )}
      <main id="main" ref={main} tabIndex={-1}>
        <Shown shown={shown} />
      </main>
      <Shortcuts />
      <Toasts />
    </>
  );
}

function Shown({ shown }: { shown: Route }) {
  switch (shown.page) {
    case "devices":
      return <DevicesPage q={shown.q} status={shown.status} add={shown.add} />;
    case "device":
      return (
        <DevicePage
          key={shown.device}
          id={shown.device}
          tab={shown.tab}
          dialog={shown.dialog}
          operation={shown.operation}
        />
      );
    case "audit":
      return <AuditPage />;
    case "settings":
      return <SettingsPage section={shown.section} />;
    case "about":
      return <Later load={aboutPage} inputs={{}} />;
    default:
      return (
        <>
          <div class="heading">
            <Heading title={text.frame.notFound}>{text.frame.notFound}</Heading>
          </div>
          <Link to={DEVICES} button>
            {text.frame.toDevices}
          </Link>
        </>
      );
  }
}

/** A part of the page that is loaded when it is first shown. */
function Later<P extends object>({ load, inputs }: { load: () => Promise<ComponentType<P>>; inputs: P }) {
  const [Part, setPart] = useState<ComponentType<P>>();
  const [failed, setFailed] = useState(false);
  useEffect(() => {
    load().then(
      (part) => setPart(() => part),
      () => setFailed(true),
    );
  }, [load]);
  if (failed)
    return (
      <Notice kind="bad">
        {text.reasons.noAnswer}. {text.reasons.reload}
      </Notice>
    );
  return Part ? <Part {...inputs} /> : <Loading />;
}
