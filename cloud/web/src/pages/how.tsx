// How to reach what has no viewer in the browser: the commands, ready to copy.

import { me } from "../api/call.ts";
import type { Device, Endpoint } from "../api/model.ts";
import { Button, Copyable } from "../parts/button.tsx";
import { Dialog } from "../parts/dialog.tsx";
import { plain, shellWord } from "../plain.ts";
import { text } from "../text/en.ts";

const { how: words } = text;

export function HowDialog({ device, endpoint, onClose }: { device: Device; endpoint: Endpoint; onClose: () => void }) {
  const target = `--device ${shellWord(device.name)} --endpoint ${shellWord(endpoint.name)}`;
  const commands = [
    {
      says: words.login,
      value: `towline login ${shellWord(location.origin)} --user ${shellWord(me.value?.name ?? "")}`,
    },
    { says: words.port, value: `towline server ${target} --listen 127.0.0.1:9000` },
    { says: words.ssh, value: `towline connect ssh ${target} --user root` },
    {
      says: words.stdio,
      value: `ssh -o ProxyCommand=${shellWord(`towline server ${target} --listen -`)} root@${shellWord(device.name)}`,
    },
  ];
  return (
    <Dialog title={words.title(plain(endpoint.name))} onClose={onClose} wide>
      <form
        onSubmit={(event) => {
          event.preventDefault();
          onClose();
        }}
      >
        {commands.map(({ says, value }) => (
          <div key={says} class="field">
            <p class="label">{says}</p>
            <Copyable value={value} label={says} />
          </div>
        ))}
        <p class="hint">{words.password}</p>
        <footer>
          <Button kind="primary" submit autoFocus>
            {text.common.close}
          </Button>
        </footer>
      </form>
    </Dialog>
  );
}
