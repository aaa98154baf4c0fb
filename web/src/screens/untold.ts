/** In a storm fifty alarms at once are told, the newest; one that changes the scene may be among the others. */
import { PRIORITIES, type Alarm, type AlarmQuery } from '@/api/alarms'

import type { AlarmSwitch } from './api'

/** The most urgent alarm for which the scene changes, and that began while it would still show; undefined where there is none. */
export async function mostUrgent(rule: AlarmSwitch, now_ms: number, list: (query: AlarmQuery) => Promise<{ items: Alarm[] }>): Promise<Alarm | undefined> {
  for (const priority of PRIORITIES.slice(0, PRIORITIES.indexOf(rule.priority) + 1)) {
    const [newest] = (await list({ state: 'open', acknowledged: false, priority, limit: 1 })).items
    if (newest !== undefined && now_ms - newest.begin_us / 1000 < rule.hold_s * 1000) return newest
  }
  return undefined
}
