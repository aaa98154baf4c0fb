/** Duty: on it, and only then, this telephone tells where it is, while the page is open. */
import { onBeforeUnmount, ref, watch, type Ref } from 'vue'

import type { KeptPlace } from './kept'
import { ask, Refused } from './wire'

interface Duty {
  since_us: number | null
  ends_us: number | null
  at_us: number | null
}

const AGAIN_MS = 30_000

export function useDuty(place: Ref<KeptPlace | null>, onSignInEnded: () => void) {
  /** Null until the gateway has said. */
  const duty = ref<Duty | null>(null)
  /** What the gateway was told last. */
  const told = ref<KeptPlace | null>(null)
  const isBusy = ref(false)
  const hasFailed = ref(false)
  let tellingMs = 0

  async function look(): Promise<void> {
    await asked(async () => (duty.value = await ask<Duty>('GET', '/api/field/duty')))
    void tell()
  }

  async function turn(): Promise<void> {
    isBusy.value = true
    hasFailed.value = false
    const isOn = duty.value?.since_us != null
    const isDone = await asked(async () => {
      const answer = await ask<Duty | null>(isOn ? 'DELETE' : 'PUT', '/api/field/duty')
      duty.value = answer ?? { since_us: null, ends_us: null, at_us: null }
      told.value = null
      tellingMs = 0
    })
    hasFailed.value = !isDone
    isBusy.value = false
    void tell()
  }

  /** Tells the place where there is a duty, a place, and something new to tell. */
  async function tell(): Promise<void> {
    const fix = place.value
    const now = Date.now()
    if (duty.value?.since_us == null || fix === null || fix === told.value || now - tellingMs < AGAIN_MS) return
    tellingMs = now
    const { longitude, latitude, accuracy_m } = fix
    await asked(async () => {
      try {
        await ask('POST', '/api/field/position', { body: { longitude, latitude, accuracy_m } })
      } catch (error) {
        // It ended by its time, or on another telephone.
        if (!(error instanceof Refused && error.status === 409)) throw error
        duty.value = { since_us: null, ends_us: null, at_us: null }
        return
      }
      // It may have ended while this was under way.
      if (duty.value?.since_us != null) {
        told.value = fix
        duty.value = { ...duty.value, at_us: now * 1000 }
      }
    })
  }

  async function asked(work: () => Promise<unknown>): Promise<boolean> {
    try {
      await work()
      return true
    } catch (error) {
      if (!(error instanceof Refused)) throw error
      if (error.status === 401) onSignInEnded()
      return false
    }
  }

  watch(place, () => void tell())
  const timer = setInterval(() => void tell(), AGAIN_MS)
  onBeforeUnmount(() => clearInterval(timer))

  return { duty, told, isBusy, hasFailed, look, turn }
}
