// A device's endpoints: what can be opened, and what can be done with each.

import { useState } from "preact/hooks";

import { call, callAll, id } from "../api/call.ts";
import { useLoaded } from "../api/loaded.ts";
import { PROTOCOLS, type About, type Device, type Endpoint, type Page, type Session } from "../api/model.ts";
import { Button, Link, Name, Status } from "../parts/button.tsx";
import { Confirm } from "../parts/dialog.tsx";
import { Icon, type IconName } from "../parts/icon.tsx";
import { Menu, type MenuItem } from "../parts/menu.tsx";
import { Empty, Notice, Shown, toast } from "../parts/notice.tsx";
import { Table } from "../parts/table.tsx";
import { address, plain } from "../plain.ts";
import { go, href, type EndpointDialog, type Route } from "../router.ts";
import { text } from "../text/en.ts";
import { EndpointForm } from "./endpoint-form.tsx";
import { InstallDialog } from "./endpoint-keys.tsx";
import { HowDialog } from "./how.tsx";
import { TestDialog } from "./endpoint-test.tsx";

const { endpoints: words } = text;
const ICONS: Record<Endpoint["protocol"], IconName> = {
  VNC: "screen",
  SSH: "terminal",
  TELNET: "terminal",
  PASSTHROUGH: "pipe",
};

export function EndpointsTab({ device, dialog }: { device: Device; dialog: EndpointDialog | undefined }) {
  const path = `/devices/${id(device.id)}/endpoints`;
  const loaded = useLoaded((signal) => callAll<Endpoint>(path, {}, signal), [device.id]);
  const about = useLoaded((signal) => call<About>("GET", "/page", undefined, signal), []);
  const [asked, setAsked] = useState<{ what: "how" | "remove" | "test" | "install"; endpoint: Endpoint }>();

  const mayConnect = device.permissions.includes("remote-access-connect");
  const mayAdmin = device.permissions.includes("remote-access-admin");
  const tab: Route = { page: "device", device: device.id, tab: "remote-access" };
  const open = (dialog: EndpointDialog) => go({ ...tab, dialog });
  const close = () => go(tab, true);
  const protocols = PROTOCOLS.filter((protocol) => about.data?.protocols.includes(protocol));

  const adding = mayAdmin && (
    <Button kind="primary" icon="add" hotkey="n" onClick={() => open({ kind: "new" })}>
      {words.add}
    </Button>
  );
  return (
    <>
      {device.disabled ? (
        <Notice kind="warn">{text.info.disabledSays}</Notice>
      ) : (
        !device.online && <Notice kind="info">{words.offline}</Notice>
      )}
      {!mayConnect && <Notice kind="info">{words.readOnly}</Notice>}
      <Shown loaded={loaded}>
        {(endpoints) => (
          <>
            <div class="bar">
              <h2>{words.title}</h2>
              <span class="count">{endpoints.length}</span>
              <span class="grow" />
              {adding}
            </div>
            {endpoints.length === 0 ? (
              <Empty title={words.empty} says={words.emptySays}>
                {mayAdmin &&
                  protocols.map((protocol) => (
                    <Button key={protocol} icon={ICONS[protocol]} onClick={() => open({ kind: "new", protocol })}>
                      {words.addOf(text.protocol[protocol])}
                    </Button>
                  ))}
              </Empty>
            ) : (
              <EndpointTable
                {...{ device, endpoints, mayConnect, mayAdmin, open }}
                ask={(what, endpoint) => setAsked({ what, endpoint })}
              />
            )}
            {dialog && mayAdmin && about.data && (
              <EndpointForm
                device={device}
                dialog={dialog}
                endpoints={endpoints}
                protocols={protocols}
                onClose={close}
                onSaved={(endpoint) => {
                  toast(words.saved(plain(endpoint.name)));
                  loaded.reload();
                  close();
                }}
              />
            )}
          </>
        )}
      </Shown>
      {asked?.what === "how" && (
        <HowDialog device={device} endpoint={asked.endpoint} onClose={() => setAsked(undefined)} />
      )}
      {asked?.what === "test" && (
        <TestDialog device={device} endpoint={asked.endpoint} onClose={() => setAsked(undefined)} />
      )}
      {asked?.what === "install" && (
        <InstallDialog device={device} endpoint={asked.endpoint} onClose={() => setAsked(undefined)} />
      )}
      {asked?.what === "remove" && (
        <RemoveEndpoint
          device={device}
          endpoint={asked.endpoint}
          onClose={() => setAsked(undefined)}
          onRemoved={loaded.reload}
        />
      )}
    </>
  );
}

function EndpointTable(props: {
  device: Device;
  endpoints: readonly Endpoint[];
  mayConnect: boolean;
  mayAdmin: boolean;
  open: (dialog: EndpointDialog) => void;
  ask: (what: "how" | "remove" | "test" | "install", endpoint: Endpoint) => void;
}) {
  const { device, mayConnect, mayAdmin, open, ask } = props;
  const screen = (endpoint: Endpoint, view = false): Route => ({
    page: "connect",
    device: device.id,
    endpoint: endpoint.id,
    view,
    scale: "fit",
  });

  const action = (endpoint: Endpoint) => {
    const name = plain(endpoint.name);
    if (endpoint.protocol === "PASSTHROUGH") {
      return (
        <Button hotkey="c" label={`${words.how}: ${name}`} onClick={() => ask("how", endpoint)}>
          {words.how}
        </Button>
      );
    }
    if (!mayConnect) return null;
    if (!device.online)
      return (
        <Button label={words.connectTo(name)} disabled>
          {words.connect}
        </Button>
      );
    return (
      <Link tab button kind="primary" hotkey="c" label={words.connectTo(name)} to={screen(endpoint)}>
        {words.connect}
      </Link>
    );
  };
  const items = (endpoint: Endpoint): MenuItem[] => {
    const list: MenuItem[] = [];
    if (endpoint.protocol !== "PASSTHROUGH" && mayConnect) {
      if (endpoint.protocol === "VNC" && !endpoint.view_only)
        list.push({ label: words.watch, to: screen(endpoint, true) });
      const link = location.origin + href(screen(endpoint));
      list.push({
        label: words.copyLink,
        run: () => void navigator.clipboard.writeText(link).then(() => toast(text.common.copied)),
      });
    }
    if (mayAdmin) {
      if (endpoint.sign_in === "key-pair" && endpoint.public_key)
        list.push({ label: words.install, run: () => ask("install", endpoint) });
      list.push(
        { label: words.test, run: () => ask("test", endpoint) },
        { label: text.common.edit, run: () => open({ kind: "edit", endpoint: endpoint.id }) },
        { label: text.common.duplicate, run: () => open({ kind: "new", from: endpoint.id }) },
        { label: text.common.remove, danger: true, run: () => ask("remove", endpoint) },
      );
    }
    return list;
  };
  return (
    <Table
      caption={words.title}
      rows={props.endpoints}
      rowKey={(endpoint) => endpoint.id}
      onOpen={mayAdmin ? (endpoint) => open({ kind: "edit", endpoint: endpoint.id }) : undefined}
      columns={[
        {
          head: words.name,
          kind: "name",
          cell: (endpoint) =>
            mayAdmin ? (
              <Link
                row
                to={{
                  page: "device",
                  device: device.id,
                  tab: "remote-access",
                  dialog: { kind: "edit", endpoint: endpoint.id },
                }}
              >
                <Name>{endpoint.name}</Name>
              </Link>
            ) : (
              <Name>{endpoint.name}</Name>
            ),
        },
        {
          head: words.protocol,
          cell: (endpoint) => (
            <span class="protocol">
              <Icon name={ICONS[endpoint.protocol]} /> {text.protocol[endpoint.protocol]}
            </span>
          ),
        },
        { head: words.address, kind: "mono", cell: (endpoint) => plain(address(endpoint.host, endpoint.port)) },
        { head: words.signIn, cell: (endpoint) => <SignInCell endpoint={endpoint} /> },
        {
          head: text.common.actions,
          kind: "end",
          cell: (endpoint) => (
            <>
              {action(endpoint)}
              {items(endpoint).length > 0 && (
                <Menu
                  icon="more"
                  kind="quiet"
                  label={text.common.moreFor(plain(endpoint.name))}
                  items={items(endpoint)}
                />
              )}
            </>
          ),
        },
      ]}
    />
  );
}

function SignInCell({ endpoint }: { endpoint: Endpoint }) {
  return (
    <>
      {endpoint.sign_in === "none" ? <span class="soft">{text.signIn.none}</span> : text.signIn[endpoint.sign_in]}
      {endpoint.view_only && (
        <span class="tag">
          <Icon name="eye" /> {words.watchOnly}
        </span>
      )}
      {endpoint.protocol === "TELNET" && <Status kind="warn">{text.protocolSays.TELNET}</Status>}
    </>
  );
}

function RemoveEndpoint(props: { device: Device; endpoint: Endpoint; onClose: () => void; onRemoved: () => void }) {
  const { device, endpoint } = props;
  const live = useLoaded(
    (signal) => call<Page<Session>>("GET", `/sessions?device=${id(device.id)}&live=true&limit=1000`, undefined, signal),
    [endpoint.id],
  );
  const count = live.data?.items.filter((session) => session.endpoint_id === endpoint.id).length ?? 0;
  return (
    <Confirm
      title={words.removeAsk(plain(endpoint.name))}
      says={words.removeSays(count)}
      action={text.common.remove}
      onClose={props.onClose}
      onConfirm={async () => {
        await call("DELETE", `/devices/${id(device.id)}/endpoints/${id(endpoint.id)}`);
        toast(words.removed(plain(endpoint.name)));
        props.onRemoved();
      }}
    />
  );
}
