/** How many alarms wait for somebody, and the newest of them as they come. */
import { defineStore } from 'pinia'
import { ref, watch } from 'vue'

import { alarms as api, type Alarm } from '@/api/alarms'

import { useEvents } from './events'
import { useSession } from './session'

/** Many alarms at once are one question to the gateway. */
const COUNT_AFTER_MS = 400
const COUNT_AGAIN_MS = 60_000

export const useAlarms = defineStore('alarms', () => {
  const open = ref(0)
  const listeners = new Set<(alarm: Alarm) => void>()
  const events = useEvents()
  const session = useSession()
  let timer = 0

  async function count(): Promise<void> {
    window.clearTimeout(timer)
    if (session.signedIn && session.may('live')) {
      try {
        open.value = (await api.list({ state: 'open', acknowledged: false, limit: 1 })).open
      } catch {
        // The bar says already that the gateway is away.
      }
    } else open.value = 0
    timer = window.setTimeout(() => void count(), COUNT_AGAIN_MS)
  }

  function countSoon(): void {
    window.clearTimeout(timer)
    timer = window.setTimeout(() => void count(), COUNT_AFTER_MS)
  }

  events.listen((event) => {
    if (event.type !== 'alarm') return
    const { type: _type, ...alarm } = event
    for (const listener of listeners) listener(alarm)
    countSoon()
  })
  watch(() => session.current?.user.id, countSoon, { immediate: true })
  // What came while the line was dead is to be asked for.
  watch(
    () => events.connection,
    (now) => {
      if (now === 'connected') countSoon()
    },
  )

  /** Returns the function that stops listening. */
  function listen(listener: (alarm: Alarm) => void): () => void {
    listeners.add(listener)
    return () => listeners.delete(listener)
  }

  return { open, listen, countSoon }
})
