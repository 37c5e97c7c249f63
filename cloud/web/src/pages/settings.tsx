// One's own account, and for administrators people, groups and what they may do.

import { me } from "../api/call.ts";
import { Heading } from "../parts/heading.tsx";
import { Notice } from "../parts/notice.tsx";
import { Tabs } from "../parts/tabs.tsx";
import { SECTIONS, type Section } from "../router.ts";
import { text } from "../text/en.ts";
import { Account } from "./settings/account.tsx";
import { Connections } from "./settings/connections.tsx";
import { DeviceGroups } from "./settings/device-groups.tsx";
import { Grants } from "./settings/grants.tsx";
import { UserGroups } from "./settings/user-groups.tsx";
import { Users } from "./settings/users.tsx";

const { people: words } = text;
const PARTS: Record<Section, () => preact.JSX.Element> = {
  account: Account,
  users: Users,
  "user-groups": UserGroups,
  "device-groups": DeviceGroups,
  permissions: Grants,
  connections: Connections,
};

export function SettingsPage({ section }: { section: Section }) {
  const isAdmin = me.value?.permissions.includes("user-admin") === true;
  const Part = PARTS[section];
  const sections = SECTIONS.filter((each) => isAdmin || each === "account");
  return (
    <>
      <div class="heading">
        <Heading title={words.title}>{words.title}</Heading>
      </div>
      {sections.length > 1 && (
        <Tabs
          label={words.sectionList}
          tabs={sections.map((each) => ({
            label: words.sections[each],
            current: each === section,
            to: { page: "settings", section: each },
          }))}
        />
      )}
      <section role={sections.length > 1 ? "tabpanel" : undefined} aria-label={words.sections[section]}>
        {isAdmin || section === "account" ? <Part /> : <Notice kind="info">{words.adminOnly}</Notice>}
      </section>
    </>
  );
}
