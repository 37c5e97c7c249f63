// What the members of a user group may do on the devices of a device group: one row for each pair, one tick for each right.

import { useState } from "preact/hooks";

import { call, callAll, id, me } from "../../api/call.ts";
import { useLoaded } from "../../api/loaded.ts";
import {
  PERMISSIONS,
  type DeviceGroup,
  type Grant,
  type Named,
  type Permission,
  type UserGroup,
} from "../../api/model.ts";
import { Button, Name } from "../../parts/button.tsx";
import { Confirm, Dialog, useAction } from "../../parts/dialog.tsx";
import { Check, Select } from "../../parts/field.tsx";
import { Empty, Notice, Shown } from "../../parts/notice.tsx";
import { Table } from "../../parts/table.tsx";
import { plain } from "../../plain.ts";
import { text } from "../../text/en.ts";
import { say } from "../../text/say.ts";

const words = text.people.grants;

export interface Row {
  users: Named;
  devices: Named;
  /** The grant behind each permission that is given. */
  grants: Map<Permission, string>;
}

/** Grants by pairs of groups, in the order of their names. */
export function rowsOf(grants: readonly Grant[], extra: readonly { users: Named; devices: Named }[]): Row[] {
  const rows = new Map<string, Row>();
  const rowFor = (users: Named, devices: Named) => {
    const key = `${users.id} ${devices.id}`;
    const row = rows.get(key) ?? { users, devices, grants: new Map<Permission, string>() };
    rows.set(key, row);
    return row;
  };
  for (const grant of grants) rowFor(grant.user_group, grant.device_group).grants.set(grant.permission, grant.id);
  for (const { users, devices } of extra) rowFor(users, devices);
  return [...rows.values()].sort(
    (a, b) => a.users.name.localeCompare(b.users.name) || a.devices.name.localeCompare(b.devices.name),
  );
}

export function Grants() {
  const loaded = useLoaded(async (signal) => {
    const [grants, userGroups, deviceGroups] = await Promise.all([
      callAll<Grant>("/grants", {}, signal),
      callAll<UserGroup>("/user-groups", {}, signal),
      callAll<DeviceGroup>("/device-groups", {}, signal),
    ]);
    return { grants, userGroups, deviceGroups };
  }, []);
  const [extra, setExtra] = useState<{ users: Named; devices: Named }[]>([]);
  const [adding, setAdding] = useState(false);
  const [taking, setTaking] = useState<{ row: Row; grant: string }>();
  const { problem, run } = useAction();

  const take = async (row: Row, grant: string) => {
    await call("DELETE", `/grants/${id(grant)}`);
    // The row stays where it is until the page is left.
    setExtra([...extra, row]);
    await refresh();
  };
  const refresh = async () => {
    await loaded.reload();
    me.value = await call("GET", "/current-user");
  };
  const toggle = async (row: Row, permission: Permission) => {
    const grant = row.grants.get(permission);
    const isOwn = loaded.data?.userGroups.some(
      (group) => group.id === row.users.id && group.members.some(({ id }) => id === me.value?.id),
    );
    if (grant !== undefined && isOwn) return setTaking({ row, grant });
    await run(async () => {
      if (grant !== undefined) return take(row, grant);
      await call("POST", "/grants", { user_group_id: row.users.id, device_group_id: row.devices.id, permission });
      await refresh();
    });
  };
  return (
    <>
      <div class="bar">
        <p class="hint">{words.says}</p>
        <span class="grow" />
        <Button kind="primary" icon="add" hotkey="n" onClick={() => setAdding(true)}>
          {words.add}
        </Button>
      </div>
      {problem && <Notice kind="bad">{say(problem)}</Notice>}
      <Shown loaded={loaded}>
        {({ grants, userGroups, deviceGroups }) => {
          const rows = rowsOf(grants, extra);
          return (
            <>
              {rows.length === 0 ? (
                <Empty title={words.empty} says={words.emptySays} />
              ) : (
                <Matrix rows={rows} toggle={toggle} />
              )}
              {adding && (
                <PairDialog
                  userGroups={userGroups}
                  deviceGroups={deviceGroups}
                  onClose={() => setAdding(false)}
                  onPair={(users, devices) => {
                    setExtra([...extra, { users, devices }]);
                    setAdding(false);
                  }}
                />
              )}
            </>
          );
        }}
      </Shown>
      {taking && (
        <Confirm
          title={words.ownAsk}
          says={words.ownSays}
          action={text.common.remove}
          onClose={() => setTaking(undefined)}
          onConfirm={() => take(taking.row, taking.grant)}
        />
      )}
    </>
  );
}

function Matrix({
  rows,
  toggle,
}: {
  rows: readonly Row[];
  toggle: (row: Row, permission: Permission) => Promise<void>;
}) {
  return (
    <Table
      caption={words.caption}
      rows={rows}
      rowKey={({ users, devices }) => `${users.id} ${devices.id}`}
      columns={[
        { head: words.userGroup, kind: "name", cell: ({ users }) => <Name>{users.name}</Name> },
        { head: words.deviceGroup, cell: ({ devices }) => <Name>{devices.name}</Name> },
        ...PERMISSIONS.map((permission) => ({
          head: text.permission[permission],
          kind: "tick" as const,
          cell: (row: Row) => (
            <Check
              hiddenLabel
              label={words.right(text.permission[permission], plain(row.users.name), plain(row.devices.name))}
              checked={row.grants.has(permission)}
              onChange={() => toggle(row, permission)}
            />
          ),
        })),
      ]}
    />
  );
}

function PairDialog(props: {
  userGroups: readonly UserGroup[];
  deviceGroups: readonly DeviceGroup[];
  onPair: (users: Named, devices: Named) => void;
  onClose: () => void;
}) {
  const { userGroups, deviceGroups } = props;
  const [users, setUsers] = useState(userGroups[0]?.id ?? "");
  const [devices, setDevices] = useState(deviceGroups[0]?.id ?? "");
  const options = (groups: readonly Named[]) => groups.map(({ id, name }) => ({ value: id, label: plain(name) }));
  const submit = (event: Event) => {
    event.preventDefault();
    const chosen = [userGroups.find(({ id }) => id === users), deviceGroups.find(({ id }) => id === devices)] as const;
    if (chosen[0] && chosen[1]) props.onPair(chosen[0], chosen[1]);
  };
  return (
    <Dialog title={words.add} onClose={props.onClose}>
      <form onSubmit={submit}>
        <Select label={words.userGroup} value={users} options={options(userGroups)} onChange={setUsers} />
        <Select label={words.deviceGroup} value={devices} options={options(deviceGroups)} onChange={setDevices} />
        <footer>
          <Button onClick={props.onClose}>{text.common.cancel}</Button>
          <Button kind="primary" submit disabled={users === "" || devices === ""}>
            {text.common.add}
          </Button>
        </footer>
      </form>
    </Dialog>
  );
}
