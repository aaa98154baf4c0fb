import { describe, expect, it } from 'vitest'

import { commandOf, shuttled } from './keyboard'
import { parseTime, typedTime } from './local_time'

const stroke = (key: string, more: Partial<KeyboardEvent> = {}) => ({
  key, code: '', shiftKey: false, ctrlKey: false, altKey: false, metaKey: false, ...more,
})

describe('keys', () => {
  it('move by a second, with Shift by ten', () => {
    expect(commandOf(stroke('ArrowRight'))).toEqual({ kind: 'move', seconds: 1 })
    expect(commandOf(stroke('ArrowLeft', { shiftKey: true }))).toEqual({ kind: 'move', seconds: -10 })
  })

  it('work with caps lock, and with a Chinese input method on', () => {
    expect(commandOf(stroke('B'))).toEqual({ kind: 'bookmark' })
    expect(commandOf(stroke('。'))).toEqual({ kind: 'step', direction: 1 })
    expect(commandOf(stroke('Process', { code: 'KeyI' }))).toEqual({ kind: 'mark', edge: 'in' })
  })

  it('leave the browser its own', () => {
    expect(commandOf(stroke('b', { ctrlKey: true }))).toBeNull()
    expect(commandOf(stroke('F5'))).toBeNull()
  })

  it('shuttle faster with each press, and start over when they turn', () => {
    expect(shuttled(1, true, 1)).toBe(2)
    expect(shuttled(16, true, 1)).toBe(16)
    expect(shuttled(4, true, -1)).toBe(-1)
    expect(shuttled(-1, true, -1)).toBe(-2)
    expect(shuttled(4, false, 1)).toBe(1)
  })
})

describe('a typed time', () => {
  const near = new Date(2026, 10, 21, 20, 15, 30).getTime() * 1000

  it('is read as it is shown', () => {
    expect(parseTime(typedTime(near), 0)).toBe(near)
  })

  it.each([
    ['2026/11/21 20:15:30', [2026, 11, 21, 20, 15, 30]],
    ['2026年11月21日 20：15', [2026, 11, 21, 20, 15, 0]],
    ['2026.11.21 8:05', [2026, 11, 21, 8, 5, 0]],
    ['2026-11-20', [2026, 11, 20, 0, 0, 0]],
    ['08:30', [2026, 11, 21, 8, 30, 0]],
    ['2026-11-21T20:15:30', [2026, 11, 21, 20, 15, 30]],
  ])('%s is understood', (text, [y, mo, d, h, mi, s]) => {
    expect(parseTime(text, near)).toBe(new Date(y, mo - 1, d, h, mi, s).getTime() * 1000)
  })

  it.each(['', 'yesterday', '2026-02-31 10:00', '25:00', '12:61', '2026-11'])('%s is refused', (text) => {
    expect(parseTime(text, near)).toBeNull()
  })
})
