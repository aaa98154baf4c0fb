import { describe, expect, it } from 'vitest'

import type { Alarm } from '@/api/alarms'

import { detailText, noticeText, inOrder, placeOf, sleeps, sourceText, subjectOf, withNews } from './words'

const alarm = (id: string, more: Partial<Alarm> = {}): Alarm => ({
  id, kind: 'camera_offline', priority: 'medium', state: 'open', begin_us: 0, end_us: null, area_id: null, area_path: [], camera_id: 'c', camera_name: 'Gate', platform_id: null,
  platform_name: null, switch_id: null, switch_name: null, network: null, folded_into: null, folded: 0, detail: {}, acknowledged_us: null, acknowledged_by: null,
  note: null, snoozed_until_us: null, snoozed_by: null, escalated_us: null, escalated_by: null, escalated_words: null, silent: false, times: 1, last_us: 0, again_us: null, ...more,
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

  it('stand with the most urgent first, of those that wait for somebody', () => {
    const all = [
      alarm('seen', { acknowledged_us: 1, priority: 'emergency', begin_us: 9 }),
      alarm('newer', { priority: 'low', begin_us: 8 }),
      alarm('older', { priority: 'emergency', begin_us: 1 }),
      alarm('between', { priority: 'high', begin_us: 2 }),
    ]
    expect(inOrder(all).map(({ id }) => id)).toEqual(['older', 'between', 'newer', 'seen'])
  })

  it('sleep until their time, unless they are over', () => {
    expect(sleeps(alarm('a', { snoozed_until_us: 2_000 }), 1)).toBe(true)
    expect(sleeps(alarm('a', { snoozed_until_us: 2_000 }), 2)).toBe(false)
    expect(sleeps(alarm('a', { snoozed_until_us: 2_000, state: 'ended' }), 1)).toBe(false)
    expect(sleeps(alarm('a'), 1)).toBe(false)
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
    expect(detailText(alarm('a', { kind: 'intrusion', detail: { source: 'zone:z', zone_name: 'Yard' } }))).toBe('Yard')
  })

  it('lead to where one acts on them', () => {
    expect(placeOf(alarm('a', { kind: 'review_overdue', detail: { request_id: 'req_1' } }))).toEqual({ name: 'search', params: { view: 'requests' }, query: { request: 'req_1' } })
    expect(placeOf(alarm('a', { kind: 'analysis_lagging' }))).toEqual({ name: 'analysis' })
    expect(placeOf(alarm('a', { kind: 'storage_full_soon' }))).toEqual({ name: 'forecast' })
    expect(placeOf(alarm('a'))).toBeNull()
  })

  it('beneath a mask say so, and lead nowhere', () => {
    const neutral = alarm('a', { kind: 'standing_match', detail: { masked: true } })
    expect(detailText(neutral)).toMatch(/隐私遮挡|privacy mask/)
    expect(placeOf(neutral)).toBeNull()
    // Who may lift masks is told all of it.
    const whole = alarm('b', { kind: 'standing_match', detail: { masked: true, request_id: 'req_1', case_number: 'A-7' } })
    expect(detailText(whole)).toContain('A-7')
    expect(placeOf(whole)).not.toBeNull()
  })

  it('of a standing search say how many matches followed that raised none', () => {
    const match = (detail: Alarm['detail']): string => detailText(alarm('a', { kind: 'standing_match', detail }))
    expect(match({ case_number: 'A-7', more: 3 })).toMatch(/A-7 · .*3/)
    expect(match({ case_number: 'A-7' })).not.toContain('·')
  })

  it('of analysis are told in words, a model’s own as it is', () => {
    const text = (fault: string): string => detailText(alarm('a', { kind: 'analysis_failed', detail: { fault } }))
    expect(text('the analysis process does not answer')).toMatch(/分析进程没有响应|does not answer/)
    expect(text('/models/a.onnx is no detector')).toBe('/models/a.onnx is no detector')
  })

  it('of a rule say what it tells, and why again', () => {
    const notice = { id: 'n', rule_name: '夜间', count: 1, told_us: 0 }
    const tamper = alarm('a', { kind: 'tamper', camera_name: '村口' })
    expect(noticeText({ ...notice, step: 0, alarm: tamper })).toMatch(/夜间.*村口/)
    expect(noticeText({ ...notice, step: 1, alarm: tamper })).toMatch(/无人按时确认|nobody acknowledged/)
    expect(noticeText({ ...notice, step: 0, count: 12, alarm: null })).toContain('12')
  })

  it('of a zone name the zone, not its id', () => {
    expect(sourceText({ source: 'zone:zon_1', detail: { zone_name: '草坪' } })).toBe('草坪')
    expect(sourceText({ source: 'input 2', detail: {} })).toBe('input 2')
  })
})
