/** Zones of a camera, by name. */
import { apiPath, get } from '@/api/client'

export interface NamedZone {
  id: string
  name: string
}

/** None where the caller may not see them, or there are none. */
export async function zonesOf(camera_id: string): Promise<NamedZone[]> {
  try {
    const answer = await get<{ items?: NamedZone[]; zones?: NamedZone[] }>(apiPath('cameras', camera_id, 'zones'))
    return answer.zones ?? answer.items ?? []
  } catch {
    return []
  }
}
