/** Who is live from the scene (docs/field.md). */
import { get } from '@/api/client'

export interface Scene {
  user_id: string
  name: string
  camera_id: string
  area_path: string[]
  since_us: number
  incident_id: string | null
}

export const scenes = {
  list: (): Promise<{ items: Scene[] }> => get('/api/field/lives'),
}
