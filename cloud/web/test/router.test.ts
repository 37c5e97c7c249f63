import assert from "node:assert/strict";
import { test } from "node:test";

import { href, parse, type Route } from "../src/router.ts";

const at = (url: string): Route => {
  const { pathname, search } = new URL(url, "https://cloud.example.com");
  return parse(pathname, search);
};

test("every place has a URL that leads back to it", () => {
  const places: Route[] = [
    { page: "devices", q: "", status: "all", add: false },
    { page: "devices", q: "press & co", status: "offline", add: true },
    { page: "device", device: "42", tab: "info" },
    { page: "device", device: "42", tab: "control", operation: "7" },
    { page: "device", device: "42", tab: "remote-access", dialog: { kind: "new", protocol: "VNC", from: undefined } },
    { page: "device", device: "42", tab: "remote-access", dialog: { kind: "new", protocol: undefined, from: "9" } },
    { page: "device", device: "42", tab: "remote-access", dialog: { kind: "edit", endpoint: "9" } },
    { page: "connect", device: "42", endpoint: "9", view: true, scale: "actual" },
    { page: "connect", device: "4/2", endpoint: "%", view: false, scale: "fit" },
    { page: "audit" },
    { page: "settings", section: "device-groups" },
    { page: "about" },
  ];
  for (const place of places) assert.deepEqual(at(href(place)), place);
});

test("the front door and the login lead to the devices", () => {
  assert.equal(at("/").page, "devices");
  assert.equal(at("/login").page, "devices");
});

test("a device without a tab shows how it can be reached", () => {
  assert.deepEqual(at("/devices/42"), { page: "device", device: "42", tab: "remote-access" });
});

test("what is no place is said to be none", () => {
  for (const url of [
    "/nowhere",
    "/devices/42/nothing",
    "/devices/42/info/more",
    "/connect/42",
    "/connect/1/2/3",
    "/audit/1",
    "/%",
  ]) {
    assert.equal(at(url).page, "unknown", url);
  }
});

test("words of a query that are not known count as not given", () => {
  assert.deepEqual(at("/connect/1/2?scale=huge&view=2"), {
    page: "connect",
    device: "1",
    endpoint: "2",
    view: false,
    scale: "fit",
  });
  assert.deepEqual(at("/devices?status=broken"), { page: "devices", q: "", status: "all", add: false });
});
