/** The areas that may be asked as a list that reads like a tree. */
import type { AskableArea } from './api'

export interface AreaLine extends AskableArea {
  depth: number
  /** The names from the root down. */
  path: string
}

/** Parents before their children, in the order in which the gateway gives them. */
export function inTreeOrder(areas: readonly AskableArea[]): AreaLine[] {
  const known = new Set(areas.map(({ id }) => id))
  const below = new Map<string | null, AskableArea[]>()
  for (const area of areas) {
    const parent = area.parent_id !== null && known.has(area.parent_id) ? area.parent_id : null
    below.set(parent, [...(below.get(parent) ?? []), area])
  }
  const lines: AreaLine[] = []
  const put = (parent: string | null, depth: number, path: string): void => {
    for (const area of below.get(parent) ?? []) {
      const own = path === '' ? area.name : `${path} / ${area.name}`
      lines.push({ ...area, depth, path: own })
      put(area.id, depth + 1, own)
    }
  }
  put(null, 0, '')
  return lines
}

/** Those whose name or whose way from the root holds every word. */
export function matching(lines: readonly AreaLine[], query: string): AreaLine[] {
  const words = query.trim().toLowerCase().split(/\s+/).filter((word) => word !== '')
  return lines.filter(({ path }) => words.every((word) => path.toLowerCase().includes(word)))
}
