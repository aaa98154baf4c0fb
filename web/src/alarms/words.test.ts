import { describe, expect, it } from 'vitest'

import type { Alarm } from '@/api/alarms'

import { detailText, inOrder, subjectOf, withNews } from './words'

const alarm = (id: string, more: Partial<Alarm> = {}): Alarm => ({
  id, kind: 'camera_offline', state: 'open', begin_us: 0, end_us: null, area_id: null, area_path: [], camera_id: 'c', camera_name: 'Gate', platform_id: null,
  platform_name: null, switch_id: null, switch_name: null, network: null, folded_into: null, folded: 0, detail: {}, acknowledged_us: null, acknowledged_by: null,
  note: null, ...more,
})

describe('alarms', () => {
  it('stand with those first that nobody has seen, then the newest', () => {
    const all = [
      alarm('ended', { state: 'ended', begin_us: 9 }),
      alarm('seen', { acknowledged_us: 1, begin_us: 8 }),
      alarm('old', { begin_us: 1 }),
      alarm('new', { begin_us: 2 }),
    ]
    expect(inOrder(all).map(({ id }) => id)).toEqual(['new', 'old', 'seen', 'ended'])
  })

  it('take in news: what is known changes, what is new comes first, what no longer belongs goes', () => {
    const items = [alarm('a'), alarm('b')]
    expect(withNews(items, alarm('c'), true).map(({ id }) => id)).toEqual(['c', 'a', 'b'])
    expect(withNews(items, alarm('b', { state: 'ended' }), true)[1]).toMatchObject({ id: 'b', state: 'ended' })
    expect(withNews(items, alarm('a'), false).map(({ id }) => id)).toEqual(['b'])
    expect(withNews(items, alarm('x'), false)).toEqual(items)
  })

  it('of a switch name the switch and how much it took along', () => {
    const down = alarm('s', { kind: 'network_down', camera_name: null, switch_name: 'SW1', detail: { failed: 180, of: 200 } })
    expect(subjectOf(down)).toBe('SW1')
    expect(subjectOf(alarm('n', { kind: 'network_down', camera_name: null, network: '10.1.2.0/24' }))).toBe('10.1.2.0/24')
    expect(detailText(down)).toContain('180')
    expect(detailText(down)).toContain('200')
  })

  it('say what is behind them in words, and give an unknown fault as it is', () => {
    expect(detailText(alarm('a', { detail: { fault: 'closed_port' } }))).toContain('RTSP')
    expect(detailText(alarm('a', { detail: { fault: 'from_the_future' } }))).toBe('from_the_future')
    expect(detailText(alarm('a'))).toBe('')
  })
})
