/** What is asked for again and again is done at once, and then no oftener than so often. */
export interface Seldom {
  /** Do it now, or as soon as it may be done again; however often it is asked for meanwhile, once. */
  ask(): void
  stop(): void
}

export function atMostEvery(ms: number, work: () => void): Seldom {
  let timer: ReturnType<typeof setTimeout> | undefined
  let done_ms = -Infinity

  function run(): void {
    timer = undefined
    done_ms = performance.now()
    work()
  }

  return {
    ask: () => {
      timer ??= setTimeout(run, Math.max(0, done_ms + ms - performance.now()))
    },
    stop: () => {
      clearTimeout(timer)
      timer = undefined
    },
  }
}
