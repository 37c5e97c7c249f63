// One device: what it is, and the tabs for what can be done with it.

import { call, id } from "../api/call.ts";
import { useChanges } from "../api/live.ts";
import { useLoaded } from "../api/loaded.ts";
import type { Device } from "../api/model.ts";
import { Link, Name } from "../parts/button.tsx";
import { Heading } from "../parts/heading.tsx";
import { Empty, Shown } from "../parts/notice.tsx";
import { Tabs } from "../parts/tabs.tsx";
import { plain } from "../plain.ts";
import { DEVICES, TABS, type EndpointDialog, type Tab } from "../router.ts";
import { text } from "../text/en.ts";
import { ControlTab } from "./control.tsx";
import { DeviceStatus } from "./devices.tsx";
import { EndpointsTab } from "./endpoints.tsx";
import { InfoTab } from "./info.tsx";

const { device: words } = text;

export function DevicePage(props: {
  id: string;
  tab: Tab;
  dialog: EndpointDialog | undefined;
  operation: string | undefined;
}) {
  const loaded = useLoaded((signal) => call<Device>("GET", `/devices/${id(props.id)}`, undefined, signal), [props.id]);
  useChanges((change) => change.event === "device" && change.device_id === props.id && loaded.reload());
  if (loaded.problem?.code === "unknown-device") {
    return (
      <Empty title={words.unknown}>
        <Link to={DEVICES} button>
          {text.frame.toDevices}
        </Link>
      </Empty>
    );
  }
  return (
    <Shown loaded={loaded}>
      {(device) => (
        <>
          <div class="heading">
            <Link to={DEVICES} button kind="quiet" icon="back" label={text.frame.toDevices} />
            <Heading title={plain(device.name)}>
              <Name>{device.name}</Name>
            </Heading>
            <DeviceStatus device={device} />
          </div>
          <Tabs
            label={words.tabList}
            tabs={TABS.map((tab) => ({
              label: words.tabs[tab],
              current: tab === props.tab,
              to: { page: "device", device: device.id, tab },
            }))}
          />
          <section role="tabpanel" aria-label={words.tabs[props.tab]}>
            {props.tab === "remote-access" && <EndpointsTab device={device} dialog={props.dialog} />}
            {props.tab === "control" && <ControlTab device={device} opened={props.operation} />}
            {props.tab === "info" && <InfoTab device={device} onChange={(now) => loaded.edit(() => now)} />}
          </section>
        </>
      )}
    </Shown>
  );
}
