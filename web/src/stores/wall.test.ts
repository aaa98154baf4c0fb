// @vitest-environment jsdom
import { createPinia, setActivePinia } from 'pinia'
import { afterEach, beforeEach, expect, it, vi } from 'vitest'

import type { Layout, Tour } from '@/api/types'

import { useWall } from './wall'

const layout = { id: 'l1', name: '', shared: false, owner: 'u', document: { grid: '1x1', tiles: [null] } } satisfies Layout
const tour = {
  id: 't1',
  name: '',
  shared: false,
  owner: 'u',
  document: { dwell_s: 5, steps: [{ layout_id: 'l1' }] },
} satisfies Tour
const written: { tour_id: string | null }[] = []

beforeEach(() => {
  setActivePinia(createPinia())
  written.length = 0
  vi.useFakeTimers()
  vi.stubGlobal('fetch', (url: string, init: RequestInit) => {
    if (init.method === 'PUT') {
      written.push((JSON.parse(String(init.body)) as { document: { tour_id: string | null } }).document)
      return Promise.resolve(new Response(null, { status: 204 }))
    }
    const answer = url.includes('layouts') ? { items: [layout] } : url.includes('tours') ? { items: [tour] } : { document: null }
    return Promise.resolve(new Response(JSON.stringify(answer)))
  })
})
afterEach(() => {
  vi.useRealTimers()
  vi.unstubAllGlobals()
})

it('remembers the tour that ran when the page was left right after a step', async () => {
  const wall = useWall()
  await wall.restore('1')
  wall.startTour(tour)
  wall.leave()
  await vi.advanceTimersByTimeAsync(5_000)
  expect(written.at(-1)?.tour_id).toBe('t1')
})

it('offers a tour only when what the screen showed last can no longer undo it', async () => {
  let answer: (response: Response) => void = () => undefined
  const read = new Promise<Response>((resolve) => (answer = resolve))
  const others = globalThis.fetch
  vi.stubGlobal('fetch', (url: string, init: RequestInit) => (url.includes('wall/') ? read : others(url, init)))
  const wall = useWall()
  const restored = wall.restore('1')
  await vi.advanceTimersByTimeAsync(1_000)
  expect(wall.tours).toEqual([])
  answer(new Response(JSON.stringify({ document: null })))
  await restored
  expect(wall.tours).toEqual([tour])
})
