/** Whether alarms come faster than anybody reads them: then a list stands still until it is asked for. */
const NEW_PER_S = 10
const CALM_AFTER_MS = 3000

export class Storm {
  private readonly times_ms: number[] = []
  private until_ms = -Infinity

  /** A new alarm came. */
  came(at_ms: number): void {
    this.times_ms.push(at_ms)
    if (this.times_ms.length <= NEW_PER_S) return
    const before_ms = this.times_ms.shift() ?? -Infinity
    if (at_ms - before_ms < 1000) this.more(at_ms)
  }

  /** The gateway says that there are more than it tells. */
  more(at_ms: number): void {
    this.until_ms = at_ms + CALM_AFTER_MS
  }

  rages(at_ms: number): boolean {
    return at_ms < this.until_ms
  }
}
