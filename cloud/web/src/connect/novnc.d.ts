// The part of noVNC's API that is used here; the package brings no types.

declare module "@novnc/novnc" {
  import type { Channel } from "./line.ts";

  interface Events {
    connect: CustomEvent<object>;
    disconnect: CustomEvent<{ clean: boolean }>;
    clipboard: CustomEvent<{ text: string }>;
    bell: CustomEvent<object>;
  }

  export default class RFB {
    constructor(target: HTMLElement, channel: Channel, options?: { shared?: boolean });
    viewOnly: boolean;
    scaleViewport: boolean;
    clipViewport: boolean;
    dragViewport: boolean;
    resizeSession: boolean;
    qualityLevel: number;
    compressionLevel: number;
    background: string;
    addEventListener<K extends keyof Events>(type: K, listener: (event: Events[K]) => void): void;
    disconnect(): void;
    focus(options?: FocusOptions): void;
    blur(): void;
    sendKey(keysym: number, code: string | null, down?: boolean): void;
    clipboardPasteFrom(text: string): void;
    toBlob(callback: (blob: Blob | null) => void, type?: string): void;
  }
}
