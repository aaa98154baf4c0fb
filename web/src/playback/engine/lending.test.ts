import { describe, expect, it, vi } from 'vitest'

import type { DeviceRecordings, Interval, LentStretch } from '@/api/types'

import { Lending } from './lending'

const HOUR_US = 3_600_000_000
const DAY_US = 24 * HOUR_US

function stretch(start_us: number, until_us: number, state: LentStretch['state'] = 'fetching'): LentStretch {
  return { state, start_us, until_us, end_us: start_us + 600e6, fault: '', detail: '' }
}

function made(answers: { recordings?: Interval[]; borrowed?: LentStretch[] }) {
  const borrowed = [...(answers.borrowed ?? [])]
  const hooks = {
    recordings: vi.fn(
      async (): Promise<DeviceRecordings> => ({
        state: 'known',
        fault: '',
        detail: '',
        recordings: answers.recordings ?? [],
      }),
    ),
    borrow: vi.fn(async (): Promise<LentStretch> => {
      const next = borrowed.length > 1 ? borrowed.shift() : borrowed[0]
      if (!next) throw new Error('no device')
      return next
    }),
    wallClockUs: () => 30 * DAY_US,
    onFetched: vi.fn(),
    onChange: vi.fn(),
  }
  return { hooks, lending: new Lending(hooks) }
}

async function settled(): Promise<void> {
  await new Promise((resolve) => setTimeout(resolve, 0))
}

describe('what a device has', () => {
  it('is asked for once for six hours around', async () => {
    const { hooks, lending } = made({ recordings: [{ start_us: HOUR_US, end_us: 2 * HOUR_US }] })
    expect(lending.holds(1.5 * HOUR_US, 0)).toBe(false)
    await settled()
    expect(lending.holds(1.5 * HOUR_US, 1)).toBe(true)
    expect(lending.holds(3 * HOUR_US, 2)).toBe(false)
    expect(hooks.recordings).toHaveBeenCalledTimes(1)
  })

  it('is nothing for a while when the device does not answer', async () => {
    const { hooks, lending } = made({})
    hooks.recordings.mockRejectedValueOnce(new Error('timed out'))
    lending.holds(HOUR_US, 0)
    await settled()
    expect(lending.holds(HOUR_US, 1)).toBe(false)
    expect(hooks.recordings).toHaveBeenCalledTimes(1)
  })
})

describe('having it fetched', () => {
  it('asks at most once a second', async () => {
    const { hooks, lending } = made({ borrowed: [stretch(0, 0)] })
    lending.want(5e6, 0)
    await settled()
    lending.want(5e6, 500)
    await settled()
    lending.want(5e6, 1000)
    await settled()
    expect(hooks.borrow).toHaveBeenCalledTimes(2)
  })

  it('looks into the index again only when more has come', async () => {
    const { hooks, lending } = made({ borrowed: [stretch(0, 0), stretch(0, 0), stretch(0, 9e6)] })
    for (const at_ms of [0, 1000, 2000]) {
      lending.want(5e6, at_ms)
      await settled()
    }
    expect(hooks.onFetched).toHaveBeenCalledTimes(2)
  })

  it('says why nothing comes, and forgets that when something does', async () => {
    const { lending } = made({ borrowed: [stretch(0, 0, 'failed'), stretch(0, 9e6)] })
    lending.want(5e6, 0)
    await settled()
    expect(lending.failure?.code).toBe('device_failed')
    lending.want(5e6, 1000)
    await settled()
    expect(lending.failure).toBeNull()
  })

  it('takes the word of a device that has nothing there after all', async () => {
    const { lending } = made({
      recordings: [{ start_us: 0, end_us: 6 * HOUR_US }],
      borrowed: [stretch(HOUR_US, 0, 'nothing')],
    })
    lending.holds(HOUR_US, 0)
    await settled()
    lending.want(HOUR_US, 1)
    await settled()
    expect(lending.holds(HOUR_US, 2)).toBe(false)
    expect(lending.holds(3 * HOUR_US, 3)).toBe(true)
  })

  it('waits for nothing where a stretch ended before its end', async () => {
    const { lending } = made({
      recordings: [{ start_us: 0, end_us: 6 * HOUR_US }],
      borrowed: [stretch(HOUR_US, HOUR_US + 60e6, 'fetched')],
    })
    lending.holds(HOUR_US, 0)
    await settled()
    lending.want(HOUR_US, 1)
    await settled()
    expect(lending.holds(HOUR_US + 30e6, 2)).toBe(true)
    expect(lending.holds(HOUR_US + 90e6, 3)).toBe(false)
  })
})
