import { expect, it } from 'vitest'

import { Ear, REST_MS } from './sound'

const NOW_MS = 1_800_000_000_000
const alarm = (id: string, more = {}) =>
  ({ id, priority: 'high', state: 'open', begin_us: NOW_MS * 1000, silent: false, folded_into: null, acknowledged_us: null, again_us: null, ...more }) as const

it('sounds once for each alarm, the more urgent the oftener', () => {
  const ear = new Ear()
  expect(ear.hear(alarm('a'), NOW_MS)?.times).toBe(2)
  expect(ear.hear(alarm('a'), NOW_MS + REST_MS)).toBeNull()
  expect(ear.hear(alarm('b', { priority: 'emergency' }), NOW_MS + REST_MS)?.times).toBe(4)
})

it('sounds again for what was over and is back, however long ago it began', () => {
  const ear = new Ear()
  const back = alarm('a', { begin_us: 0, again_us: NOW_MS * 1000 })
  expect(ear.hear(back, NOW_MS)?.times).toBe(2)
  expect(ear.hear(back, NOW_MS + REST_MS)).toBeNull()
})

it('sounds once in a while, however many come', () => {
  const ear = new Ear()
  const heard = Array.from({ length: 1000 }, (_, at) => ear.hear(alarm(`a${at}`), NOW_MS + at)).filter((tone) => tone !== null)
  expect(heard).toHaveLength(1)
})

it('lets nothing small drown what is urgent', () => {
  const ear = new Ear()
  ear.hear(alarm('a', { priority: 'medium' }), NOW_MS)
  expect(ear.hear(alarm('b', { priority: 'emergency' }), NOW_MS + 10)?.times).toBe(4)
  expect(ear.hear(alarm('c', { priority: 'medium' }), NOW_MS + 20)).toBeNull()
})

it.each([{ silent: true }, { priority: 'low' }, { folded_into: 'z' }, { acknowledged_us: 1 }, { state: 'ended' }, { begin_us: 0 }])('is silent of %o', (more) => {
  expect(new Ear().hear(alarm('a', more), NOW_MS)).toBeNull()
})
