/** The reports on this telephone, and the one loop that sends them. */
import { reactive, ref } from 'vue'

import { list, put, remove, type KeptReport } from './kept'
import { send, sha256 } from './sender'
import { ask, Refused } from './wire'

const SOONEST_MS = 2000
const LATEST_MS = 60_000

export function useQueue(onSignInEnded: () => void) {
  const reports = ref<KeptReport[]>([])
  const reachable = ref(navigator.onLine)
  let userId: string | null = null
  let running = false
  let waitMs = SOONEST_MS
  let timer: ReturnType<typeof setTimeout> | undefined

  async function openFor(user: string): Promise<void> {
    userId = user
    reports.value = (await list(user)).map((one) => reactive(one))
    void run()
  }

  async function add(report: KeptReport): Promise<void> {
    await put(report)
    reports.value = [reactive(report), ...reports.value]
    void run()
  }

  async function drop(report: KeptReport): Promise<void> {
    await remove(report.id)
    reports.value = reports.value.filter((one) => one.id !== report.id)
  }

  async function retry(report: KeptReport): Promise<void> {
    report.state = 'waiting'
    for (const file of report.files) if (file.state === 'refused' && file.blob) file.state = 'waiting'
    await put(report)
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
    // The oldest first; what another tab has sent meanwhile is asked for again and known there.
    for (const report of [...reports.value].reverse()) {
      if (report.state === 'done' || report.state === 'refused') continue
      try {
        await send(report, { ask: asked, keep: put, sha256, nowMs: () => Date.now() })
      } catch (error) {
        report.state = 'waiting'
        throw error
      }
    }
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

  return { reports, reachable, openFor, add, drop, retry, run: soon }
}

/** Two tabs take turns where the browser can say so; elsewhere the gateway knows what came before. */
async function exclusively(work: () => Promise<void>): Promise<void> {
  if ('locks' in navigator) await navigator.locks.request('gridsight-field-sender', work)
  else await work()
}
