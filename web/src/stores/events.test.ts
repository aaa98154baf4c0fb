// @vitest-environment jsdom
import { createPinia, setActivePinia } from 'pinia'
import { afterEach, beforeEach, expect, it, vi } from 'vitest'

import { get } from '@/api/client'

import { useEvents } from './events'

/** As behind a proxy that lets no WebSocket through. */
class RefusedSocket {
  static made = 0
  onclose: ((event: { code: number }) => void) | null = null

  constructor() {
    RefusedSocket.made += 1
    setTimeout(() => this.onclose?.({ code: 1006 }), 10)
  }

  close(): void {
    this.onclose = null
  }
}

let reachable = true

beforeEach(() => {
  setActivePinia(createPinia())
  RefusedSocket.made = 0
  reachable = true
  vi.useFakeTimers()
  vi.spyOn(Math, 'random').mockReturnValue(0.5)
  vi.stubGlobal('WebSocket', RefusedSocket)
  vi.stubGlobal('fetch', () => (reachable ? Promise.resolve(new Response('{}')) : Promise.reject(new TypeError())))
})
afterEach(() => {
  vi.useRealTimers()
  vi.restoreAllMocks()
  vi.unstubAllGlobals()
})

it('are asked for after a back-off where the gateway is there and its events are not', async () => {
  const events = useEvents()
  events.open()
  await vi.advanceTimersByTimeAsync(10_000)
  expect(RefusedSocket.made).toBeLessThan(8)
  expect(events.connection).toBe('lost')
  events.close()
})

it('are asked for at once when the gateway is back', async () => {
  const events = useEvents()
  reachable = false
  events.open()
  await vi.advanceTimersByTimeAsync(60_000)
  const before = RefusedSocket.made
  reachable = true
  await get('/api/areas')
  expect(RefusedSocket.made).toBe(before + 1)
  events.close()
})

it('are not asked for once nobody listens', async () => {
  const events = useEvents()
  reachable = false
  events.open()
  await vi.advanceTimersByTimeAsync(1_000)
  events.close()
  const before = RefusedSocket.made
  reachable = true
  await get('/api/areas').catch(() => undefined)
  expect(RefusedSocket.made).toBe(before)
})
