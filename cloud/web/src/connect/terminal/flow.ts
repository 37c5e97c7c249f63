// How much of the output has come and been drawn. The cloud sends only so much ahead of what it knows to be drawn, so that
// a flood on the target waits there and not in the memory of this page.

/** A quarter of what the cloud sends ahead. */
const ACK_BYTES = 32 * 1024;

export class Flow {
  /** All are counted from the terminal's first byte. */
  #arrived: number;
  #drawn: number;
  #acknowledged: number;

  constructor(offset: number) {
    this.#arrived = offset;
    this.#drawn = offset;
    this.#acknowledged = offset;
  }

  /** What is here, drawn or about to be: where a terminal that is come back to goes on. */
  get received(): number {
    return this.#arrived;
  }

  /** Whether some of it waits to be drawn. */
  get isBehind(): boolean {
    return this.#drawn < this.#arrived;
  }

  arrive(bytes: number): void {
    this.#arrived += bytes;
  }

  /** Counts what was drawn; how much to acknowledge, if it is time to: a good deal was drawn, or all that there is. */
  draw(bytes: number): number | undefined {
    this.#drawn += bytes;
    if (this.isBehind && this.#drawn - this.#acknowledged < ACK_BYTES) return undefined;
    this.#acknowledged = this.#drawn;
    return this.#drawn;
  }
}
