/** Asks again and again while the page is seen, one question at a time. */
import { onBeforeUnmount, onMounted } from 'vue'

/** `ask` runs at once, then `interval_ms` after it ended; a failure of it is its own affair. */
export function useEvery(interval_ms: number, ask: () => Promise<unknown>): { now: () => Promise<void> } {
  let timer = 0
  let left = false
  let running: Promise<void> | null = null

  async function once(): Promise<void> {
    window.clearTimeout(timer)
    running ??= ask()
      .then(() => undefined)
      .catch(() => undefined)
      .finally(() => {
        running = null
        if (!left && !document.hidden) timer = window.setTimeout(() => void once(), interval_ms)
      })
    await running
  }

  function seenOrNot(): void {
    window.clearTimeout(timer)
    if (!document.hidden) void once()
  }

  onMounted(() => {
    document.addEventListener('visibilitychange', seenOrNot)
    void once()
  })
  onBeforeUnmount(() => {
    left = true
    window.clearTimeout(timer)
    document.removeEventListener('visibilitychange', seenOrNot)
  })

  return { now: once }
}
