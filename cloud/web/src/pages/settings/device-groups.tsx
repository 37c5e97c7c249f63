// Device groups: on them permissions are given. Every device is in the group `all`.

import { useState } from "preact/hooks";

import { call, callAll, id } from "../../api/call.ts";
import { useLoaded } from "../../api/loaded.ts";
import type { Device, DeviceGroup } from "../../api/model.ts";
import { Button, Name } from "../../parts/button.tsx";
import { Confirm } from "../../parts/dialog.tsx";
import { Menu } from "../../parts/menu.tsx";
import { Shown } from "../../parts/notice.tsx";
import { Table } from "../../parts/table.tsx";
import { plain } from "../../plain.ts";
import { text } from "../../text/en.ts";
import { MembersDialog, NameDialog } from "./members.tsx";

const words = text.people.deviceGroups;
const EVERY_DEVICE = "all";

export function DeviceGroups() {
  const loaded = useLoaded((signal) => callAll<DeviceGroup>("/device-groups", {}, signal), []);
  const [asked, setAsked] = useState<{ what: "add" } | { what: "devices" | "remove"; group: DeviceGroup }>();
  const close = () => setAsked(undefined);
  return (
    <>
      <div class="bar">
        <span class="grow" />
        <Button kind="primary" icon="add" hotkey="n" onClick={() => setAsked({ what: "add" })}>
          {words.add}
        </Button>
      </div>
      <Shown loaded={loaded}>
        {(groups) => (
          <Table
            caption={words.caption}
            rows={groups}
            rowKey={(group) => group.id}
            columns={[
              { head: words.name, kind: "name", cell: (group) => <Name>{group.name}</Name> },
              {
                head: words.devices,
                cell: (group) => (
                  <>
                    {group.device_count} {group.name === EVERY_DEVICE && <span class="soft">{words.everyDevice}</span>}
                  </>
                ),
              },
              {
                head: text.common.actions,
                kind: "end",
                cell: (group) =>
                  group.name !== EVERY_DEVICE && (
                    <Menu
                      icon="more"
                      kind="quiet"
                      label={text.common.moreFor(plain(group.name))}
                      items={[
                        { label: words.edit, run: () => setAsked({ what: "devices", group }) },
                        { label: text.common.remove, danger: true, run: () => setAsked({ what: "remove", group }) },
                      ]}
                    />
                  ),
              },
            ]}
          />
        )}
      </Shown>
      {asked?.what === "add" && (
        <NameDialog
          title={words.add}
          label={words.name}
          onClose={close}
          onName={async (name) => {
            await call("POST", "/device-groups", { name });
            await loaded.reload();
          }}
        />
      )}
      {asked?.what === "devices" && <DevicesDialog group={asked.group} onClose={close} onChange={loaded.reload} />}
      {asked?.what === "remove" && (
        <Confirm
          title={words.removeAsk(plain(asked.group.name))}
          says={words.removeSays}
          action={text.common.remove}
          onClose={close}
          onConfirm={async () => {
            await call("DELETE", `/device-groups/${id(asked.group.id)}`);
            await loaded.reload();
          }}
        />
      )}
    </>
  );
}

function DevicesDialog({
  group,
  onClose,
  onChange,
}: {
  group: DeviceGroup;
  onClose: () => void;
  onChange: () => void;
}) {
  const devices = useLoaded((signal) => callAll<Device>("/devices", {}, signal), []);
  const inside = useLoaded((signal) => callAll<Device>("/devices", { group: group.id }, signal), [group.id]);
  return (
    <MembersDialog
      title={words.devicesOf(plain(group.name))}
      all={devices.data ?? []}
      chosen={new Set(inside.data?.map((device) => device.id))}
      none={text.devices.empty}
      onClose={onClose}
      onChange={async (device, member) => {
        await call(member ? "PUT" : "DELETE", `/device-groups/${id(group.id)}/devices/${id(device)}`);
        await inside.reload();
        onChange();
      }}
    />
  );
}
