/** Camera health in words and shares. */
import type { CameraHealth, Concern, HealthDay } from './api'

/** Whoever mends cameras drives out for these first. */
const GRAVE: ReadonlySet<Concern> = new Set(['black', 'frozen', 'covered', 'unseen'])

export const toneOf = (concern: Concern): 'bad' | 'warn' => (GRAVE.has(concern) ? 'bad' : 'warn')

/** How much of what should be recorded is; null where nothing should. Down, so that 1 is whole. */
export const shareOf = ({ recorded_us, expected_us }: Pick<HealthDay, 'recorded_us' | 'expected_us'>): number | null =>
  expected_us <= 0 ? null : Math.min(1, Math.floor((1000 * recorded_us) / expected_us) / 1000)

/** The days of a strip, those of which nothing is known included. */
export const stripOf = (days: readonly string[], { days: known }: Pick<CameraHealth, 'days'>): HealthDay[] =>
  days.map((day) => known.find((one) => one.day === day) ?? { day, recorded_us: 0, expected_us: 0, findings: [] })

export const dayTone = (share: number | null): 'none' | 'whole' | 'some' | 'little' =>
  share === null ? 'none' : share >= 0.95 ? 'whole' : share >= 0.5 ? 'some' : 'little'

/** The reference to show beside the last picture: the newest. */
export const referenceOf = ({ references }: Pick<CameraHealth, 'references'>): CameraHealth['references'][number] | null =>
  references.reduce<CameraHealth['references'][number] | null>((newest, one) => (newest === null || one.at_us > newest.at_us ? one : newest), null)
