// Trying an endpoint: a real handshake through the device, and which step of it failed.

import { useEffect, useRef, useState } from "preact/hooks";

import { call, id, problemFrom } from "../api/call.ts";
import { TEST_STEPS, type Device, type Endpoint, type EndpointWish, type TestResult } from "../api/model.ts";
import { Button } from "../parts/button.tsx";
import { Dialog, useAction } from "../parts/dialog.tsx";
import { Icon } from "../parts/icon.tsx";
import { Loading, Notice } from "../parts/notice.tsx";
import { address, plain } from "../plain.ts";
import { text } from "../text/en.ts";
import { say, type Around } from "../text/say.ts";
import { draftOf, wish } from "./endpoint-draft.ts";
import { withLine } from "./endpoint-ssh.tsx";

const { endpointForm: words } = text;

export type TestState = "running" | TestResult;

export interface Test {
  state: TestState | undefined;
  /** With `saved`: the secrets of that endpoint are taken where the wish has none. */
  start(device: Device, endpoint: EndpointWish, saved: string | undefined): void;
}

export function useTest(): Test {
  const [state, setState] = useState<TestState>();
  return {
    state,
    start(device, endpoint, saved) {
      setState("running");
      const body = { endpoint, ...(saved === undefined ? {} : { endpoint_id: saved }) };
      call<TestResult>("POST", `/devices/${id(device.id)}/endpoint-tests`, body).then(setState, (error: unknown) =>
        setState({ passed: [], problem: problemFrom(error) }),
      );
    },
  };
}

/** `onKeep`: the host key that the server showed is to be the endpoint's. */
export function TestSteps(props: { state: TestState; around: Around; onKeep: (key: string) => void }) {
  const { state, ...rest } = props;
  return state === "running" ? <Loading says={words.testing} /> : <Steps state={state} {...rest} />;
}

function Steps({ state, around, onKeep }: { state: TestResult; around: Around; onKeep: (key: string) => void }) {
  const element = useRef<HTMLDivElement>(null);
  useEffect(() => element.current?.scrollIntoView({ block: "nearest" }), [state]);
  const failed = state.problem ? TEST_STEPS[state.passed.length] : undefined;
  const unknown = state.problem?.code === "host-key-unknown" ? state.host_key : undefined;
  return (
    <div ref={element} class="test" role="status">
      <ul class="steps">
        {state.passed.map(({ step, detail }) => (
          <li key={step} class="ok">
            <Icon name="check" />
            <span>{text.testStep[step]}</span>
            {detail !== "" && <span class="soft">{plain(detail)}</span>}
          </li>
        ))}
        {failed && (
          <li class="bad">
            <Icon name="close" />
            <span>{text.testStep[failed]}</span>
          </li>
        )}
      </ul>
      {state.problem ? (
        <Notice kind="bad">
          {words.testFailed}. {say(state.problem, around)}
        </Notice>
      ) : (
        <Notice kind="ok">{words.testOk}.</Notice>
      )}
      {state.ssh_port != null && <Notice kind="info">{words.speaksSsh(state.ssh_port)}</Notice>}
      {unknown && (
        <Notice kind="info">
          <p>{words.keepHostKeySays(plain(unknown.fingerprint))}</p>
          <Button onClick={() => onKeep(unknown.key)}>{words.keepHostKey}</Button>
        </Notice>
      )}
    </div>
  );
}

/** Tries an endpoint as it is saved. */
export function TestDialog({ device, endpoint, onClose }: { device: Device; endpoint: Endpoint; onClose: () => void }) {
  const test = useTest();
  const [tried, setTried] = useState(endpoint);
  const start = () => test.start(device, wish(draftOf(tried)), endpoint.id);
  const { problem, run } = useAction();
  const keep = (key: string) =>
    run(async () => {
      const keys = withLine(draftOf(tried).hostKeys, key);
      const path = `/devices/${id(device.id)}/endpoints/${id(endpoint.id)}`;
      setTried(await call<Endpoint>("PATCH", path, { host_keys: keys }));
    });
  useEffect(start, [tried]);
  return (
    <Dialog title={`${words.test}: ${plain(endpoint.name)}`} onClose={onClose}>
      <form
        onSubmit={(event) => {
          event.preventDefault();
          onClose();
        }}
      >
        {test.state !== undefined && (
          <TestSteps
            state={test.state}
            around={{ device: device.name, target: address(endpoint.host, endpoint.port) }}
            onKeep={keep}
          />
        )}
        {problem && <Notice kind="bad">{say(problem)}</Notice>}
        <footer>
          <Button onClick={start} disabled={test.state === "running"}>
            {text.common.retry}
          </Button>
          <Button kind="primary" submit>
            {text.common.close}
          </Button>
        </footer>
      </form>
    </Dialog>
  );
}
