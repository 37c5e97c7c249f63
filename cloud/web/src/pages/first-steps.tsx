// The card for who has just started a demo.

import { useState } from "preact/hooks";

import { Button } from "../parts/button.tsx";
import { text } from "../text/en.ts";

const KEY = "towline-first-steps";

export function FirstSteps() {
  const [seen, setSeen] = useState(localStorage.getItem(KEY) !== null);
  if (seen) return null;
  const dismiss = () => {
    localStorage.setItem(KEY, "seen");
    setSeen(true);
  };
  const { demo } = text.devices;
  return (
    <section class="card first-steps" aria-label={demo.title}>
      <h2>{demo.title}</h2>
      <ol>
        {demo.steps.map((step) => (
          <li key={step}>{step}</li>
        ))}
      </ol>
      <Button kind="quiet" icon="close" label={demo.dismiss} onClick={dismiss} />
    </section>
  );
}
