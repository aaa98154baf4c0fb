import { describe, expect, it } from 'vitest'

import { inTreeOrder, matching } from './tree_lines'

const area = (id: string, parent_id: string | null, name: string) => ({ id, parent_id, name, cameras: 1 })
const AREAS = [area('v2', 't', '乙村'), area('t', 'r', '石牌镇'), area('r', null, '钟祥市'), area('v1', 't', '甲村'), area('x', 'gone', '飞地')]

describe('inTreeOrder', () => {
  it('puts parents before their children, and what hangs nowhere at the top', () => {
    expect(inTreeOrder(AREAS).map(({ id, depth }) => [id, depth])).toEqual([['r', 0], ['t', 1], ['v2', 2], ['v1', 2], ['x', 0]])
    expect(inTreeOrder(AREAS)[3]?.path).toBe('钟祥市 / 石牌镇 / 甲村')
  })
})

describe('matching', () => {
  it('finds by words of the whole way', () => {
    const lines = inTreeOrder(AREAS)
    expect(matching(lines, '石牌 甲').map(({ id }) => id)).toEqual(['v1'])
    expect(matching(lines, '')).toHaveLength(5)
    expect(matching(lines, '<b>')).toEqual([])
  })
})
