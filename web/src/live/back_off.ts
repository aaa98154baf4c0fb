/** Waiting times between attempts: doubling from `first_ms` to `most_ms`, spread by ±25 %. */
export class BackOff {
  private attempts = 0

  constructor(
    private readonly first_ms = 500,
    private readonly most_ms = 10_000,
    private readonly random: () => number = Math.random,
  ) {}

  next(): number {
    const whole = Math.min(this.most_ms, this.first_ms * 2 ** Math.min(this.attempts, 16))
    this.attempts += 1
    return Math.round(whole * (0.75 + this.random() * 0.5))
  }

  reset(): void {
    this.attempts = 0
  }
}
