/** Areas as a list that reads like a tree. */
export interface PlainArea {
  id: string
  parent_id: string | null
  name: string
}

export type AreaLine<Area extends PlainArea> = Area & {
  depth: number
  /** The names from the root down. */
  path: string
}

/** Parents before their children, in the order in which the gateway gives them. */
export function inTreeOrder<Area extends PlainArea>(areas: readonly Area[]): AreaLine<Area>[] {
  const known = new Set(areas.map(({ id }) => id))
  const below = new Map<string | null, Area[]>()
  for (const area of areas) {
    const parent = area.parent_id !== null && known.has(area.parent_id) ? area.parent_id : null
    const siblings = below.get(parent)
    if (siblings === undefined) below.set(parent, [area])
    else siblings.push(area)
  }
  const lines: AreaLine<Area>[] = []
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
export function matching<Line extends { path: string }>(lines: readonly Line[], query: string): Line[] {
  const words = query.trim().toLowerCase().split(/\s+/).filter((word) => word !== '')
  return lines.filter(({ path }) => words.every((word) => path.toLowerCase().includes(word)))
}
