// What this page is made of.

import licences from "towline:licences";

import { call } from "../api/call.ts";
import { useLoaded } from "../api/loaded.ts";
import type { About } from "../api/model.ts";
import { Heading } from "../parts/heading.tsx";
import { text } from "../text/en.ts";

const { about: words } = text;

export function AboutPage() {
  const about = useLoaded((signal) => call<About>("GET", "/page", undefined, signal), []);
  return (
    <>
      <div class="heading">
        <Heading title={words.title}>{words.title}</Heading>
      </div>
      <section class="card prose">
        {about.data && <p>{words.version(about.data.version)}</p>}
        <p>{words.own}</p>
        <p>
          <a href="/api/v1/openapi.json">{words.api}</a>
        </p>
      </section>
      <section class="card prose">
        <h2>{words.licences}</h2>
        <p>{words.licencesSay}</p>
        {licences.map(({ name, version, licence, source, text: terms }) => (
          <details key={name}>
            <summary>
              {name} {version} <span class="soft">{licence}</span>
            </summary>
            {source !== "" && (
              <p>
                {words.source}: <span class="mono">{source}</span>
              </p>
            )}
            <pre tabIndex={0}>{terms}</pre>
          </details>
        ))}
      </section>
    </>
  );
}
