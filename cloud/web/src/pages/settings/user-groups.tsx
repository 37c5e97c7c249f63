// User groups: to them permissions are given.

import { useState } from "preact/hooks";

import { call, callAll, id } from "../../api/call.ts";
import { useLoaded } from "../../api/loaded.ts";
import type { User, UserGroup } from "../../api/model.ts";
import { Button, Name } from "../../parts/button.tsx";
import { Confirm } from "../../parts/dialog.tsx";
import { Menu } from "../../parts/menu.tsx";
import { Empty, Shown } from "../../parts/notice.tsx";
import { Table } from "../../parts/table.tsx";
import { plain } from "../../plain.ts";
import { text } from "../../text/en.ts";
import { MembersDialog, NameDialog } from "./members.tsx";

const words = text.people.userGroups;

export function UserGroups() {
  const loaded = useLoaded((signal) => callAll<UserGroup>("/user-groups", {}, signal), []);
  const users = useLoaded((signal) => callAll<User>("/users", {}, signal), []);
  const [asked, setAsked] = useState<{ what: "add" } | { what: "members" | "remove"; group: UserGroup }>();
  const close = () => setAsked(undefined);
  const current = asked && "group" in asked ? loaded.data?.find((group) => group.id === asked.group.id) : undefined;
  return (
    <>
      <div class="bar">
        <span class="grow" />
        <Button kind="primary" icon="add" hotkey="n" onClick={() => setAsked({ what: "add" })}>
          {words.add}
        </Button>
      </div>
      <Shown loaded={loaded}>
        {(groups) =>
          groups.length === 0 ? (
            <Empty title={words.empty} says={words.emptySays} />
          ) : (
            <Table
              caption={words.caption}
              rows={groups}
              rowKey={(group) => group.id}
              columns={[
                { head: words.name, kind: "name", cell: (group) => <Name>{group.name}</Name> },
                {
                  head: words.members,
                  cell: ({ members }) =>
                    members.map(({ name }) => plain(name)).join(", ") || <span class="soft">{words.nobody}</span>,
                },
                {
                  head: text.common.actions,
                  kind: "end",
                  cell: (group) => (
                    <Menu
                      icon="more"
                      kind="quiet"
                      label={text.common.moreFor(plain(group.name))}
                      items={[
                        { label: words.edit, run: () => setAsked({ what: "members", group }) },
                        { label: text.common.remove, danger: true, run: () => setAsked({ what: "remove", group }) },
                      ]}
                    />
                  ),
                },
              ]}
            />
          )
        }
      </Shown>
      {asked?.what === "add" && (
        <NameDialog
          title={words.add}
          label={words.name}
          onClose={close}
          onName={async (name) => {
            await call("POST", "/user-groups", { name });
            await loaded.reload();
          }}
        />
      )}
      {asked?.what === "members" && current && (
        <MembersDialog
          title={words.membersOf(plain(current.name))}
          all={users.data ?? []}
          chosen={new Set(current.members.map((member) => member.id))}
          none={words.nobody}
          onClose={close}
          onChange={async (user, member) => {
            await call(member ? "PUT" : "DELETE", `/user-groups/${id(current.id)}/members/${id(user)}`);
            await loaded.reload();
          }}
        />
      )}
      {asked?.what === "remove" && (
        <Confirm
          title={words.removeAsk(plain(asked.group.name))}
          says={words.removeSays}
          action={text.common.remove}
          onClose={close}
          onConfirm={async () => {
            await call("DELETE", `/user-groups/${id(asked.group.id)}`);
            await loaded.reload();
          }}
        />
      )}
    </>
  );
}
