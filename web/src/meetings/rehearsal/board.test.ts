import { describe, expect, it } from 'vitest'

import type { CheckedSite } from '../api'
import { ASKED_FOR_US, isWaiting, LATELY_US, merged, newestOf, progressOf, standingOf, townshipsOf } from './board'

const NOW = 2_000_000_000_000_000
const site = (more: Partial<CheckedSite>): CheckedSite => ({
  area_id: 'a', name: '双桥村', area_path: ['钟祥', '冷水镇', '双桥村'], asked_us: null, done_us: null,
  microphone: null, camera: null, speaker: null, network: null, detail: null, ...more,
})
const fine = { microphone: 'good', camera: 'good', speaker: 'good', network: 'good', done_us: NOW - 1 } as const

describe('a site on the board', () => {
  it('is good once all four parts work, lately', () => {
    expect(standingOf(site(fine), NOW)).toBe('good')
    expect(standingOf(site({ ...fine, done_us: NOW - LATELY_US - 1 }), NOW)).toBe('stale')
    expect(standingOf(site({ ...fine, speaker: null }), NOW)).toBe('stale')
    expect(standingOf(site({ ...fine, network: 'poor' }), NOW)).toBe('bad')
    expect(standingOf(site({}), NOW)).toBe('stale')
  })

  it('waits while it is asked, until it answers or was not there', () => {
    const asked = site({ ...fine, done_us: NOW - 100, asked_us: NOW - 50 })
    expect(isWaiting(asked, NOW)).toBe(true)
    // Meanwhile the last test stands.
    expect(standingOf(asked, NOW)).toBe('good')
    expect(isWaiting({ ...asked, done_us: NOW - 10 }, NOW)).toBe(false)
    expect(isWaiting(asked, NOW + ASKED_FOR_US)).toBe(false)
  })
})

describe('what came since', () => {
  const rows = [site({ ...fine, area_id: 'a' }), site({ area_id: 'b' })]

  it('takes the place of what was', () => {
    const asked = merged(rows, [site({ area_id: 'a', asked_us: NOW })])
    expect(asked[0]).toMatchObject({ asked_us: NOW, done_us: NOW - 1, camera: 'good' })
    expect(asked[1]).toBe(rows[1])
    const answered = merged(asked, [site({ area_id: 'a', done_us: NOW + 5, camera: 'failed' })])
    expect(answered[0]).toMatchObject({ asked_us: null, done_us: NOW + 5, camera: 'failed', microphone: null })
    expect(newestOf(answered)).toBe(NOW + 5)
  })

  it('leaves a row as it is that says the same', () => {
    expect(merged(rows, [{ ...(rows[0] as CheckedSite) }])).toBe(rows)
    expect(merged(rows, [])).toBe(rows)
  })
})

describe('of the sites that were asked', () => {
  it('those that answered are counted', () => {
    const rows = [site({ asked_us: NOW }), site({ done_us: NOW + 1 }), site({ done_us: NOW - 99 })]
    expect(progressOf(rows, NOW, NOW + 2)).toEqual({ answered: 1, asked: 2 })
    expect(progressOf(rows, 0, NOW + 2)).toBeNull()
  })
})

it('townships stand in the order of the rows', () => {
  const of = (town: string): CheckedSite => site({ area_path: ['钟祥', town, '村'] })
  expect(townshipsOf([of('石牌镇'), of('冷水镇'), of('石牌镇')])).toEqual(['钟祥 / 石牌镇', '钟祥 / 冷水镇'])
})
