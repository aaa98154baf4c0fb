/** Which scene a screen shows: one chosen by hand or by a tour, or for a while that of an alarm. */
import type { AlarmSwitch } from './api'
import { PRIORITIES, type Alarm } from '@/api/alarms'

export interface Showing {
  /** The scene by hand or tour: what it goes back to. */
  scene: number
  /** When the tour goes on. */
  since_ms: number
  alarm: { camera_id: string | null; until_ms: number } | null
}

export const begin = (now_ms: number): Showing => ({ scene: 0, since_ms: now_ms, alarm: null })

/** By hand: at once, whatever alarm is shown. */
export const choose = (showing: Showing, scene: number, count: number, now_ms: number): Showing =>
  scene < 0 || scene >= count ? showing : { scene, since_ms: now_ms, alarm: null }

/** What time alone does. */
export function advance(showing: Showing, count: number, tour_s: number | null, now_ms: number): Showing {
  if (showing.alarm !== null) return now_ms < showing.alarm.until_ms ? showing : { ...showing, alarm: null, since_ms: now_ms }
  if (tour_s === null || count < 2 || now_ms - showing.since_ms < tour_s * 1000) return showing
  return { ...showing, scene: (showing.scene + 1) % count, since_ms: now_ms }
}

/** An alarm as it comes; one that is not urgent enough, or that somebody has seen to, changes nothing. */
export function alarmed(showing: Showing, alarm: Pick<Alarm, 'priority' | 'state' | 'acknowledged_us' | 'camera_id'>, rule: AlarmSwitch | null, now_ms: number): Showing {
  if (rule === null || alarm.state !== 'open' || alarm.acknowledged_us !== null) return showing
  if (PRIORITIES.indexOf(alarm.priority) > PRIORITIES.indexOf(rule.priority)) return showing
  return { ...showing, alarm: { camera_id: alarm.camera_id, until_ms: now_ms + rule.hold_s * 1000 } }
}

/** The scene to be seen now. */
export const shownScene = (showing: Showing, rule: AlarmSwitch | null): number => (showing.alarm !== null && rule !== null ? rule.scene : showing.scene)
