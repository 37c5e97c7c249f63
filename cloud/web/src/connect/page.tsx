// The page of one connection, in a browser tab of its own. What shows it depends on the endpoint's protocol.

import type { FunctionComponent } from "preact";
import { useEffect, useState } from "preact/hooks";

import { call, id } from "../api/call.ts";
import { useLoaded } from "../api/loaded.ts";
import type { Device, Endpoint, Protocol } from "../api/model.ts";
import { Link } from "../parts/button.tsx";
import { Empty, Loading, Notice } from "../parts/notice.tsx";
import { plain } from "../plain.ts";
import type { Scale } from "../router.ts";
import { text } from "../text/en.ts";
import { say } from "../text/say.ts";

export interface ViewerProps {
  device: Device;
  endpoint: Endpoint;
  view: boolean;
  scale: Scale;
}

/** One viewer for each protocol that has one, loaded when it is wanted. */
const VIEWERS: Partial<Record<Protocol, () => Promise<FunctionComponent<ViewerProps>>>> = {
  VNC: () => import("./screen.tsx").then(({ Screen }) => Screen),
  SSH: () => import("./terminal.tsx").then(({ Terminal }) => Terminal),
  TELNET: () => import("./terminal.tsx").then(({ Terminal }) => Terminal),
};

const { screen: words } = text;

export function ConnectPage(props: { device: string; endpoint: string; view: boolean; scale: Scale }) {
  const path = `/devices/${id(props.device)}`;
  const loaded = useLoaded(
    async (signal) => {
      const [device, endpoint] = await Promise.all([
        call<Device>("GET", path, undefined, signal),
        call<Endpoint>("GET", `${path}/endpoints/${id(props.endpoint)}`, undefined, signal),
      ]);
      const load = VIEWERS[endpoint.protocol];
      // A function in a state has to be wrapped, or it would be called.
      return { device, endpoint, viewer: load ? { show: await load() } : undefined };
    },
    [props.device, props.endpoint],
  );
  const [late, setLate] = useState(false);
  useEffect(() => {
    const timer = setTimeout(() => setLate(true), 200);
    return () => clearTimeout(timer);
  }, []);

  const { data, problem } = loaded;
  useEffect(() => {
    document.title = data ? words.title(plain(data.endpoint.name), plain(data.device.name)) : text.product;
  }, [data]);

  if (data?.viewer) {
    const Viewer = data.viewer.show;
    return <Viewer device={data.device} endpoint={data.endpoint} view={props.view} scale={props.scale} />;
  }
  if (problem || data) {
    return (
      <main class="plain-page">
        {problem ? <Notice kind="bad">{say(problem)}</Notice> : <Empty title={words.noViewer} />}
        <Link button to={{ page: "device", device: props.device, tab: "remote-access" }}>
          {words.backToDevice}
        </Link>
      </main>
    );
  }
  return late ? <Loading says={words.loading} /> : null;
}
