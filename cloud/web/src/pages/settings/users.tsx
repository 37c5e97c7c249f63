// Users: who they are, which groups they are in.

import { useState } from "preact/hooks";

import { call, callAll, id, me } from "../../api/call.ts";
import { useLoaded } from "../../api/loaded.ts";
import type { User, UserGroup } from "../../api/model.ts";
import { ago, whole } from "../../moment.ts";
import { Button, Name, Status } from "../../parts/button.tsx";
import { Confirm, useAction } from "../../parts/dialog.tsx";
import { Menu } from "../../parts/menu.tsx";
import { Notice, Shown, toast } from "../../parts/notice.tsx";
import { Table } from "../../parts/table.tsx";
import { plain } from "../../plain.ts";
import { text } from "../../text/en.ts";
import { say } from "../../text/say.ts";
import { MembersDialog } from "./members.tsx";
import { PasswordDialog, UserDialog } from "./user-dialogs.tsx";

const words = text.people.users;

type Asked = { what: "add" } | { what: "groups" | "reset" | "remove"; user: User };

export function Users() {
  const loaded = useLoaded((signal) => callAll<User>("/users", {}, signal), []);
  const groups = useLoaded((signal) => callAll<UserGroup>("/user-groups", {}, signal), []);
  const [asked, setAsked] = useState<Asked>();
  const { problem, run } = useAction();
  const close = () => setAsked(undefined);
  const change = (user: User, action: () => Promise<unknown>, said?: string) =>
    run(async () => {
      await action();
      if (said) toast(said);
      await loaded.reload();
      if (user.id === me.value?.id) me.value = await call("GET", "/current-user");
    });

  const items = (user: User) => [
    { label: words.editGroups, run: () => setAsked({ what: "groups", user }) },
    { label: words.reset, run: () => setAsked({ what: "reset", user }) },
    ...(user.totp
      ? [{ label: words.removeTotp, run: () => change(user, () => call("DELETE", `/users/${id(user.id)}/totp`)) }]
      : []),
    {
      label: user.disabled ? words.enable : words.disable,
      run: () => change(user, () => call("PATCH", `/users/${id(user.id)}`, { disabled: !user.disabled })),
    },
    { label: words.remove, danger: true, run: () => setAsked({ what: "remove", user }) },
  ];
  // The one that is shown now, not as it was when the dialog opened.
  const current = asked && "user" in asked ? loaded.data?.find((user) => user.id === asked.user.id) : undefined;
  return (
    <>
      <div class="bar">
        <span class="grow" />
        <Button kind="primary" icon="add" hotkey="n" onClick={() => setAsked({ what: "add" })}>
          {words.add}
        </Button>
      </div>
      {problem && <Notice kind="bad">{say(problem)}</Notice>}
      <Shown loaded={loaded}>
        {(users) => (
          <Table
            caption={words.caption}
            rows={users}
            rowKey={(user) => user.id}
            columns={[
              { head: words.name, kind: "name", cell: (user) => <Name>{user.name}</Name> },
              {
                head: words.status,
                cell: (user) =>
                  user.disabled ? (
                    <Status kind="bad">{words.disabled}</Status>
                  ) : (
                    <Status kind="ok">{words.active}</Status>
                  ),
              },
              {
                head: words.groups,
                cell: (user) =>
                  user.groups.map(({ name }) => plain(name)).join(", ") || <span class="soft">{words.noGroups}</span>,
              },
              { head: words.totp, cell: (user) => (user.totp ? words.on : <span class="soft">{words.off}</span>) },
              {
                head: words.lastLogin,
                cell: (user) =>
                  user.last_login_at === null ? (
                    <span class="soft">{words.never}</span>
                  ) : (
                    <time dateTime={user.last_login_at} title={whole(user.last_login_at)}>
                      {ago(user.last_login_at)}
                    </time>
                  ),
              },
              {
                head: text.common.actions,
                kind: "end",
                cell: (user) => (
                  <Menu icon="more" kind="quiet" label={text.common.moreFor(plain(user.name))} items={items(user)} />
                ),
              },
            ]}
          />
        )}
      </Shown>
      {asked?.what === "add" && <UserDialog onClose={close} onAdded={loaded.reload} />}
      {asked?.what === "reset" && <PasswordDialog user={asked.user} onClose={close} />}
      {asked?.what === "groups" && current && (
        <MembersDialog
          title={words.inGroups(plain(current.name))}
          all={groups.data ?? []}
          chosen={new Set(current.groups.map((group) => group.id))}
          none={text.people.userGroups.empty}
          onClose={close}
          onChange={async (group, member) => {
            await call(member ? "PUT" : "DELETE", `/user-groups/${id(group)}/members/${id(current.id)}`);
            await loaded.reload();
          }}
        />
      )}
      {asked?.what === "remove" && (
        <Confirm
          title={words.removeAsk(plain(asked.user.name))}
          says={words.removeSays}
          action={words.remove}
          onClose={close}
          onConfirm={async () => {
            await call("DELETE", `/users/${id(asked.user.id)}`);
            await loaded.reload();
          }}
        />
      )}
    </>
  );
}
