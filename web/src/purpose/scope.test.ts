import { afterEach, describe, expect, it, vi } from 'vitest'

import { ApiError } from '@/api/errors'

import { onPurposeRequired, PurposeScope, type Purpose, type PurposeQuestion } from './scope'

const wanted = (code = 'purpose_required'): ApiError =>
  new ApiError(code, 'say why', 422, { codes: ['incident', 'other'] })

/** A gateway that wants `accepts` to hold for the purpose. */
function gateway(accepts: (purpose?: Purpose) => boolean, code?: string) {
  return vi.fn((purpose?: Purpose) => (accepts(purpose) ? Promise.resolve('opened') : Promise.reject(wanted(code))))
}

afterEach(() => onPurposeRequired(() => Promise.resolve(null)))

describe('a purpose', () => {
  it('is not asked for where the gateway does not want it', async () => {
    const ask = vi.fn(() => Promise.resolve(null))
    onPurposeRequired(ask)
    expect(await new PurposeScope('playback').open(gateway(() => true))).toBe('opened')
    expect(ask).not.toHaveBeenCalled()
  })

  it('is asked for with the gateway’s pick-list, and goes with what is opened next', async () => {
    const asked: PurposeQuestion[] = []
    onPurposeRequired((question) => {
      asked.push(question)
      return Promise.resolve({ code: 'incident' })
    })
    const scope = new PurposeScope('playback')
    const send = gateway((purpose) => purpose?.code === 'incident')
    await scope.open(send)
    await scope.open(send)
    expect(asked).toEqual([{ action: 'playback', codes: ['incident', 'other'], caseNeeded: false, before: null }])
    expect(send.mock.calls.map(([purpose]) => purpose?.code)).toEqual([undefined, 'incident', 'incident'])
  })

  it('is asked for once, however many tiles wait', async () => {
    let answer: (purpose: Purpose) => void = () => undefined
    const ask = vi.fn(() => new Promise<Purpose>((resolve) => (answer = resolve)))
    onPurposeRequired(ask)
    const scope = new PurposeScope('live', 60_000)
    const send = gateway((purpose) => purpose !== undefined)
    const tiles = Promise.all(Array.from({ length: 16 }, () => scope.open(send)))
    await vi.waitFor(() => expect(ask).toHaveBeenCalled())
    answer({ code: 'patrol' })
    expect(await tiles).toHaveLength(16)
    expect(ask).toHaveBeenCalledTimes(1)
  })

  it('is asked for again when a case is missing', async () => {
    const asked: PurposeQuestion[] = []
    onPurposeRequired((question) => {
      asked.push(question)
      return Promise.resolve({ code: 'incident', case_id: 'case_1' })
    })
    const scope = new PurposeScope('export')
    scope.say({ code: 'incident' })
    await scope.open(gateway((purpose) => purpose?.case_id === 'case_1', 'case_required'))
    expect(asked[0]).toMatchObject({ caseNeeded: true, before: { code: 'incident' } })
  })

  it('that is refused leaves the look refused', async () => {
    onPurposeRequired(() => Promise.resolve(null))
    await expect(new PurposeScope('playback').open(gateway(() => false))).rejects.toMatchObject({
      code: 'purpose_required',
    })
  })

  it('of somebody who has left is forgotten', async () => {
    const scope = new PurposeScope('playback')
    scope.say({ code: 'incident' })
    scope.forget()
    const send = gateway(() => true)
    await scope.open(send)
    expect(send).toHaveBeenCalledWith(undefined)
  })

  it('passes on what has nothing to do with it', async () => {
    const refused = new ApiError('not_allowed', 'no', 403)
    await expect(new PurposeScope('live').open(() => Promise.reject(refused))).rejects.toBe(refused)
  })
})
