import { describe, expect, it } from 'vitest'

import type { Emergency } from './api'
import { pinnedAt } from './pinned'
import { percentOf } from './words'

const emergency = (id: string, more: Partial<Emergency> = {}): Emergency => ({
  id, state: 'current', priority: 'emergency', title: id, words: '', publisher: '', publisher_area: [], areas: [], from_us: 10, until_us: 20, created_us: 10, addressed: true, read_us: null, managed: false, sites: [], ...more,
})
const ids = (...args: Parameters<typeof pinnedAt>): string[] => pinnedAt(...args).map(({ notice }) => notice.id)

describe('pinnedAt', () => {
  it('shows what holds, from its beginning to just before its end', () => {
    for (const [at_us, shown] of [[9, 0], [10, 1], [19, 1], [20, 0]] as const) {
      expect(ids([emergency('a')], { kind: 'screen' }, at_us)).toHaveLength(shown)
    }
  })

  it('shows a person what they are asked to read, until they have', () => {
    const all = [emergency('read', { read_us: 11 }), emergency('above', { addressed: false }), emergency('mine')]
    expect(ids(all, { kind: 'person' }, 12)).toEqual(['mine'])
    expect(ids(all, { kind: 'screen' }, 12)).toEqual(['read', 'above', 'mine'])
  })

  it('keeps it on the screen of an office after it was confirmed there, below what waits', () => {
    const of = (confirmed_us: number | null): Partial<Emergency> => ({ addressed: false, sites: [{ area_id: 'v', shown_us: 11, confirmed_us }] })
    const all = [emergency('done', of(12)), emergency('waits', of(null)), emergency('elsewhere')]
    expect(pinnedAt(all, { kind: 'site', area_id: 'v' }, 13).map(({ notice, waits }) => [notice.id, waits])).toEqual([['waits', true], ['done', false]])
    expect(ids(all, { kind: 'site', area_id: 'w' }, 13)).toEqual([])
  })
})

describe('percentOf', () => {
  it('says all only when it is all', () => {
    expect([percentOf(0, 0), percentOf(999, 1000), percentOf(3, 3)]).toEqual([0, 99, 100])
  })
})
