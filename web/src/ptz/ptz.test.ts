// @vitest-environment jsdom
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'

import type { Ptz, PtzCommand } from '@/api/ptz'

import { isMotionKey, keyMotion, lensMotion, padMotion } from './motion'
import { Mover } from './mover'

const right = { action: 'move', pan: 1, tilt: 0, zoom: 0 } as const
const left = { action: 'move', pan: -1, tilt: 0, zoom: 0 } as const
const ptz = {} as Ptz

describe('a hand', () => {
  it('moves nothing near the middle, slowly next to it, and at full speed at the rim', () => {
    expect(padMotion(0.05, 0.05, 1)).toBeNull()
    expect(padMotion(0.2, 0, 1)).toMatchObject({ pan: 0.05, tilt: 0 })
    expect(padMotion(3, 0, 1)).toMatchObject({ pan: 1, tilt: 0 })
    expect(padMotion(0, -1, 0.5)).toMatchObject({ pan: 0, tilt: 0.5 })
  })

  it('on two keys moves aslant, on opposite keys not at all', () => {
    expect(keyMotion(['ArrowLeft', 'ArrowUp'], 0.5)).toEqual({ action: 'move', pan: -0.5, tilt: 0.5, zoom: 0 })
    expect(keyMotion(['ArrowLeft', 'ArrowRight'], 1)).toBeNull()
    expect(keyMotion(['x'], 1)).toBeNull()
    expect(keyMotion(['['], 0.5)).toEqual(lensMotion('focus', -1, 0.5))
    expect(isMotionKey('toString')).toBe(false)
  })
})

describe('what is sent', () => {
  let sent: PtzCommand[]
  let answers: { resolve: (ptz: Ptz) => void; reject: (error: unknown) => void }[]
  let refused: unknown[]
  let mover: Mover

  beforeEach(() => {
    vi.useFakeTimers()
    sent = []
    answers = []
    refused = []
    mover = new Mover({
      send: (command) => {
        sent.push(command)
        return new Promise((resolve, reject) => answers.push({ resolve, reject }))
      },
      told: () => undefined,
      refused: (error) => refused.push(error),
      isTheirs: (error) => error === 'theirs',
      renew_ms: 400,
    })
  })
  afterEach(() => vi.useRealTimers())

  const answer = async (): Promise<void> => {
    answers.shift()!.resolve(ptz)
    await vi.advanceTimersByTimeAsync(0)
  }
  const refuse = async (error: unknown): Promise<void> => {
    answers.shift()!.reject(error)
    await vi.advanceTimersByTimeAsync(0)
  }
  const actions = (): string[] => sent.map(({ action, pan }) => (action === 'move' ? `${action} ${String(pan)}` : action))

  it('is renewed while the hand stays, and ends with a stop', async () => {
    mover.want(right)
    await answer()
    await vi.advanceTimersByTimeAsync(400)
    await answer()
    expect(actions()).toEqual(['move 1', 'move 1'])
    mover.want(null)
    await answer()
    await vi.advanceTimersByTimeAsync(5000)
    expect(actions()).toEqual(['move 1', 'move 1', 'stop'])
  })

  it('is the newest alone when the device is slow', async () => {
    mover.want(right)
    for (const pan of [0.8, 0.6, 0.4, -0.5]) mover.want({ ...right, pan })
    await answer()
    await vi.advanceTimersByTimeAsync(100)
    expect(actions()).toEqual(['move 1', 'move -0.5'])
  })

  it('is a stop at once, even while a movement is on its way', async () => {
    mover.want(right)
    mover.want(null)
    expect(actions()).toEqual(['move 1'])
    await answer()
    expect(actions()).toEqual(['move 1', 'stop'])
  })

  it('is a stop again when one was lost', async () => {
    mover.want(right)
    await answer()
    mover.want(null)
    await refuse('network')
    await vi.advanceTimersByTimeAsync(200)
    await answer()
    await vi.advanceTimersByTimeAsync(10_000)
    expect(actions()).toEqual(['move 1', 'stop', 'stop'])
  })

  it('is no second stop once the hand is back', async () => {
    mover.want(right)
    await answer()
    mover.want(null)
    await refuse('network')
    await vi.advanceTimersByTimeAsync(100)
    mover.want(left)
    await answer()
    await vi.advanceTimersByTimeAsync(300)
    expect(actions()).toEqual(['move 1', 'stop', 'move -1'])
  })

  it('is nothing more once another holds the camera, until the hand lets go', async () => {
    mover.want(right)
    await refuse('theirs')
    mover.want(left)
    await vi.advanceTimersByTimeAsync(1000)
    expect([actions(), refused]).toEqual([['move 1'], ['theirs']])
    mover.want(null)
    mover.want(left)
    expect(actions()).toEqual(['move 1', 'move -1'])
  })

  it('is a stop after a movement of which nobody knows whether it arrived', async () => {
    mover.want(right)
    await refuse('network')
    expect(actions()).toEqual(['move 1', 'stop'])
  })
})
