/** All areas that the caller may see, as a flat list with paths, for choosing one. */
import { areas as api } from '@/api'
import type { Area } from '@/api/types'

export interface AreaChoice {
  id: string
  name: string
  path: string
  depth: number
  parent_id: string | null
  code: string | null
  child_count: number
  camera_count: number
}

const MOST = 2000

/** Breadth first per level, so a county of 600 areas takes a few round trips at a time. */
export async function loadAreaChoices(): Promise<AreaChoice[]> {
  const childrenOf = new Map<string | undefined, Area[]>()
  let level: (string | undefined)[] = [undefined]
  let count = 0
  while (level.length > 0 && count < MOST) {
    const next: (string | undefined)[] = []
    for (let start = 0; start < level.length; start += 8) {
      await Promise.all(
        level.slice(start, start + 8).map(async (parent) => {
          const { items } = await api.children(parent)
          childrenOf.set(parent, items)
          count += items.length
          next.push(...items.filter((area) => area.child_count > 0).map((area) => area.id))
        }),
      )
    }
    level = next
  }
  const choices: AreaChoice[] = []
  const walk = (parent: string | undefined, depth: number, path: string): void => {
    for (const area of childrenOf.get(parent) ?? []) {
      const own = path === '' ? area.name : `${path} / ${area.name}`
      const { id, name, code, child_count, camera_count } = area
      choices.push({ id, name, code, child_count, camera_count, path: own, depth, parent_id: parent ?? null })
      walk(area.id, depth + 1, own)
    }
  }
  walk(undefined, 0, '')
  return choices
}

/** `areas` without `id` and all below it: where that one may be moved to. */
export function outside(areas: readonly AreaChoice[], id: string): AreaChoice[] {
  const inside = new Set([id])
  // Parents come before their children.
  for (const area of areas) if (area.parent_id !== null && inside.has(area.parent_id)) inside.add(area.id)
  return areas.filter((area) => !inside.has(area.id))
}
