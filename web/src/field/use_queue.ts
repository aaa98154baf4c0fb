/** The reports and steps on this telephone, and the one loop that sends them. */
import { reactive, ref } from 'vue'

import { isStep, list, put, remove, type Kept } from './kept'
import { send, sha256 } from './sender'
import { ask, Refused } from './wire'

const SOONEST_MS = 2000
const LATEST_MS = 60_000

/** `onTaken`: a step of a task has arrived, or will never. */
export function useQueue(onSignInEnded: () => void, onTaken: () => void) {
  const kept = ref<Kept[]>([])
  const reachable = ref(navigator.onLine)
  let userId: string | null = null
  let running = false
  let waitMs = SOONEST_MS
  let timer: ReturnType<typeof setTimeout> | undefined

  async function openFor(user: string): Promise<void> {
    userId = user
    kept.value = (await list(user)).map((one) => reactive(one))
    void run()
  }

  async function add(one: Kept): Promise<void> {
    await put(one)
    kept.value = [reactive(one), ...kept.value]
    void run()
  }

  async function drop(one: Kept): Promise<void> {
    await remove(one.id)
    kept.value = kept.value.filter((other) => other.id !== one.id)
  }

  async function retry(one: Kept): Promise<void> {
    one.state = 'waiting'
    for (const file of one.files) if (file.state === 'refused' && file.blob) file.state = 'waiting'
    await put(one)
    void run()
  }

  async function run(): Promise<void> {
    if (running || userId === null) return
    running = true
    clearTimeout(timer)
    try {
      await exclusively(sendAll)
      waitMs = SOONEST_MS
    } catch (error) {
      if (error instanceof Refused && error.status === 401) onSignInEnded()
      else {
        if (!(error instanceof Refused)) console.error(error)
        later()
      }
    } finally {
      running = false
    }
  }

  async function sendAll(): Promise<void> {
    // What another tab has sent meanwhile is asked for again and known there.
    for (let one = next(); one !== undefined; one = next()) {
      try {
        await send(one, { ask: asked, keep: put, sha256, nowMs: () => Date.now() })
      } catch (error) {
        one.state = 'waiting'
        throw error
      }
      if (isStep(one)) onTaken()
    }
  }

  /** The oldest first, but no step of a task waits for the video of a report. */
  function next(): Kept | undefined {
    const waiting = kept.value.filter((one) => one.state !== 'done' && one.state !== 'refused').reverse()
    return waiting.find(isStep) ?? waiting[0]
  }

  async function asked<Answer>(...rest: Parameters<typeof ask>): Promise<Answer> {
    try {
      const answer = await ask<Answer>(...rest)
      reachable.value = true
      waitMs = SOONEST_MS
      return answer
    } catch (error) {
      reachable.value = !(error instanceof Refused && error.status === 0)
      throw error
    }
  }

  function later(): void {
    clearTimeout(timer)
    timer = setTimeout(() => void run(), waitMs)
    waitMs = Math.min(LATEST_MS, waitMs * 2)
  }

  function soon(): void {
    waitMs = SOONEST_MS
    void run()
  }

  window.addEventListener('online', () => {
    reachable.value = true
    soon()
  })
  window.addEventListener('offline', () => (reachable.value = false))
  document.addEventListener('visibilitychange', () => document.visibilityState === 'visible' && soon())

  return { kept, reachable, openFor, add, drop, retry, run: soon }
}

/** Two tabs take turns where the browser can say so; elsewhere the gateway knows what came before. */
async function exclusively(work: () => Promise<void>): Promise<void> {
  if ('locks' in navigator) await navigator.locks.request('gridsight-field-sender', work)
  else await work()
}
