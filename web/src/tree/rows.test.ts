import { describe, expect, it } from 'vitest'

import type { Camera } from '@/api/types'

import { branchOf, parentIndex, rowsOf } from './rows'

const area = (id: string) => ({ id, parent_id: null, axis: 'area' as const, name: id, code: null, child_count: 0, camera_count: 0 })
const camera = (id: string) => ({ id, name: id }) as Camera

function county() {
  const root = { ...branchOf(area('county')), open: true, loaded: true }
  const town = { ...branchOf(area('town')), open: true, loaded: true, cameras: [camera('a'), camera('b')], next_cursor: 'x' }
  root.children = [town, branchOf(area('closed'))]
  root.cameras = [camera('c')]
  return root
}

describe('rows of the tree', () => {
  it('are the open areas with their cameras, each at its depth', () => {
    expect(rowsOf([county()]).map((row) => `${row.depth} ${row.key}`)).toEqual([
      '0 area county',
      '1 area town',
      '2 camera a',
      '2 camera b',
      '2 more town',
      '1 area closed',
      '1 camera c',
    ])
  })

  it('say that an area loads, failed or is empty', () => {
    const notes = [
      { ...branchOf(area('1')), open: true, loading: true },
      { ...branchOf(area('2')), open: true, error: 'no' },
      { ...branchOf(area('3')), open: true, loaded: true },
    ]
    expect(rowsOf(notes).flatMap((row) => (row.kind === 'note' ? [row.note] : []))).toEqual(['loading', 'error', 'empty'])
  })

  it('lead back to the area that they lie in', () => {
    const rows = rowsOf([county()])
    expect(parentIndex(rows, 3)).toBe(1)
    expect(parentIndex(rows, 6)).toBe(0)
    expect(parentIndex(rows, 0)).toBe(0)
  })
})
