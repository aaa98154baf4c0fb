/** The camera tree as the flat list of rows now visible. */
import type { FoundArea } from '@/api/people'
import type { Area, Camera } from '@/api/types'

export interface Branch {
  area: Area
  open: boolean
  loading: boolean
  loaded: boolean
  error: string | null
  children: Branch[]
  cameras: Camera[]
  /** Where the next page of `cameras` begins; null when all are there. */
  next_cursor: string | number | null
}

export type Row =
  | { kind: 'area'; key: string; depth: number; branch: Branch }
  /** A match of the search: chosen, the tree opens down to it. */
  | { kind: 'found'; key: string; depth: number; area: FoundArea }
  | { kind: 'camera'; key: string; depth: number; camera: Camera; branch: Branch | null }
  | { kind: 'more'; key: string; depth: number; branch: Branch | null }
  | { kind: 'note'; key: string; depth: number; note: 'loading' | 'empty' | 'error'; branch: Branch }

export const branchOf = (area: Area): Branch => ({
  area,
  open: false,
  loading: false,
  loaded: false,
  error: null,
  children: [],
  cameras: [],
  next_cursor: null,
})

export function rowsOf(branches: readonly Branch[], depth = 0): Row[] {
  const rows: Row[] = []
  for (const branch of branches) {
    const id = branch.area.id
    rows.push({ kind: 'area', key: `area ${id}`, depth, branch })
    if (!branch.open) continue
    rows.push(...rowsOf(branch.children, depth + 1))
    for (const camera of branch.cameras) {
      rows.push({ kind: 'camera', key: `camera ${camera.id}`, depth: depth + 1, camera, branch })
    }
    if (branch.loading) rows.push({ kind: 'note', key: `loading ${id}`, depth: depth + 1, note: 'loading', branch })
    else if (branch.error !== null) rows.push({ kind: 'note', key: `error ${id}`, depth: depth + 1, note: 'error', branch })
    else if (branch.next_cursor !== null) rows.push({ kind: 'more', key: `more ${id}`, depth: depth + 1, branch })
    else if (branch.loaded && branch.children.length === 0 && branch.cameras.length === 0) {
      rows.push({ kind: 'note', key: `empty ${id}`, depth: depth + 1, note: 'empty', branch })
    }
  }
  return rows
}

/** The row of the area that row `index` lies in; `index` itself for a root. */
export function parentIndex(rows: readonly Row[], index: number): number {
  const depth = rows[index]?.depth ?? 0
  for (let candidate = index - 1; candidate >= 0; candidate -= 1) {
    if ((rows[candidate]?.depth ?? 0) < depth) return candidate
  }
  return index
}
