// Made by build.mjs from the packages that get into the browser.

declare module "towline:licences" {
  const licences: { name: string; version: string; licence: string; source: string; text: string }[];
  export default licences;
}
