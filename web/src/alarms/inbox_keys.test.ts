import { describe, expect, it } from 'vitest'

import { stepped } from './inbox_keys'

describe('steps through the inbox', () => {
  const ids = ['a', 'b', 'c']

  it('begin at the first, and stay at the ends', () => {
    expect(stepped(ids, null, 1)).toBe('a')
    expect(stepped(ids, null, -1)).toBe('a')
    expect(stepped(ids, 'a', 1)).toBe('b')
    expect(stepped(ids, 'c', 1)).toBe('c')
    expect(stepped(ids, 'a', -1)).toBe('a')
  })

  it('begin anew where the alarm has gone, and go nowhere in an empty inbox', () => {
    expect(stepped(ids, 'gone', 1)).toBe('a')
    expect(stepped([], 'a', 1)).toBeNull()
  })
})
