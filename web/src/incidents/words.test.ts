import { beforeEach, describe, expect, it } from 'vitest'

import { locale } from '@/locales'

import { dueText, limitText, placeText, stepText } from './words'

const HOUR_US = 3_600_000_000

describe('what is said of an incident', () => {
  beforeEach(() => {
    locale.value = 'zh-CN'
  })

  it('says how long it has, and how long it is late', () => {
    const now_ms = 1_000_000
    const due = (red_us: number | null, suspended = false): string => dueText({ red_us, suspended }, now_ms)
    expect(due(now_ms * 1000 + 3 * HOUR_US)).toBe('还剩 3 小时')
    expect(due(now_ms * 1000 - 20 * 60_000_000)).toBe('超时 20 分钟')
    expect(due(null, true)).toBe('已停止计时')
    expect(due(null)).toBe('')
  })

  it('names whole days, and that they are working days', () => {
    expect(limitText({ us: 72 * HOUR_US, working: true, yellow_us: 0 })).toBe('3 天（工作日）')
    expect(limitText({ us: 2 * HOUR_US, working: false, yellow_us: 0 })).toBe('2 小时')
    expect(limitText(null)).toBe('不限')
  })

  it('names the smallest areas and the place', () => {
    expect(placeText({ area_names: ['县', '镇', '村'], place: '桥头' })).toBe('镇 / 村 · 桥头')
    expect(placeText({ area_names: ['县'], place: '' })).toBe('县')
  })

  it('says what a step did', () => {
    const step = { at_us: 0, by_name: '', unit: null, words: '' }
    expect(stepText({ ...step, kind: 'hand_over', detail: { unit_id: 'u', unit_name: '自来水公司' } })).toBe('→ 自来水公司')
    expect(stepText({ ...step, kind: 'rate', detail: { rating: 4 } })).toBe('★★★★')
    expect(stepText({ ...step, kind: 'close', detail: { result: 'settled', late: true } })).toBe('已解决 超时')
  })
})
