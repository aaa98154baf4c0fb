import { nowUs } from '@/api/clock'

export interface Period {
  start_us: number
  /** Undefined: until now, whenever that is. */
  end_us?: number | undefined
  /** Set where it is the last so many days. */
  days: number | null
}

const DAY_US = 86_400_000_000

export const lastDays = (days: number): Period => ({ start_us: nowUs() - days * DAY_US, days })
