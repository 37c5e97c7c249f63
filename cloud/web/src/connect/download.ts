/** Gives the browser a file to keep, with the endpoint's name and the time in its own. */
export function download(name: string, ending: string, content: Blob): void {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(content);
  const time = new Date().toISOString().slice(0, 19).replaceAll(":", "-");
  link.download = `${name.replace(/[^\p{L}\p{N}_-]+/gu, "-")} ${time}.${ending}`;
  link.click();
  URL.revokeObjectURL(link.href);
}
