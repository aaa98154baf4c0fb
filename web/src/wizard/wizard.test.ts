import fc from 'fast-check'
import { describe, expect, it } from 'vitest'

import type { Platform, ProbedChannel } from '@/api/platforms'

import { addressCount, readRanges } from './ranges'
import { cameraName, kept, rowOf, targetOf, testInTurn, twinOf, untried, withAnswer, withFound, withProbed, type TestOutcome } from './rows'

describe('address ranges', () => {
  it.each([
    ['10.1.2.0/24', 254],
    ['10.1.2.0/31', 2],
    ['10.1.2.7/32', 1],
    ['10.1.2.7', 1],
    ['10.1.2.10-99', 90],
    ['10.1.2.250-10.1.3.5', 12],
    ['10.1.2.9-8', null],
    ['10.1.2', null],
    ['10.1.2.256', null],
    ['10.1.2.0/33', null],
    ['camera.local', null],
  ])('%s holds %s', (range, count) => expect(addressCount(range)).toBe(count))

  it('are read however they are set apart, each once, and the wrong one is named', () => {
    expect(readRanges('10.1.2.0/30，10.1.3.1\n10.1.3.1、 10.1.4.1–3')).toEqual({ ranges: ['10.1.2.0/30', '10.1.3.1', '10.1.4.1-3'], count: 6, wrong: null })
    expect(readRanges('10.1.2.1 x 10.1.2.3').wrong).toBe('x')
    expect(readRanges('  ')).toEqual({ ranges: [], count: 0, wrong: null })
  })

  it('never count below one, whatever is typed', () => {
    fc.assert(fc.property(fc.string(), (text) => (addressCount(text) ?? 1) >= 1))
  })
})

const found = { host: '10.1.2.3', port: 80, name: '', hardware: 'DS-2', known: null }
const channel = (code: string): ProbedChannel => ({ code, parent_code: null, kind: 'camera', name: `ch ${code}`, status: 'on', facts: {} })

describe('a device on its way', () => {
  it('is one row however often it is found, and keeps what was done with it', () => {
    const rows = withFound([], found)
    const again = withFound([{ ...rows[0]!, name: 'East' }], { ...found, name: 'cam', known: 'plf' })
    expect(again).toMatchObject([{ key: '10.1.2.3:80', name: 'East', found_name: 'cam', hardware: 'DS-2', known: 'plf' }])
  })

  it('is asked where the search found its service', () => {
    expect(targetOf(rowOf({ ...found, service_url: 'http://10.1.2.3:80/onvif/device_service' }))).toEqual({ host: '10.1.2.3', port: 80 })
    const elsewhere = rowOf({ ...found, service_url: 'https://10.1.2.3/cgi-bin/onvif' })
    expect(targetOf(elsewhere)).toEqual({ host: '10.1.2.3', port: 80, service_path: '/cgi-bin/onvif' })
    expect(withFound([elsewhere], found)[0]?.service_path).toBe('/cgi-bin/onvif')
    expect(rowOf({ ...found, service_url: 'nonsense' }).service_path).toBeNull()
  })

  it('shows what it answered; what was not answered was not tried', () => {
    const row = { ...rowOf(found), test: 'waiting' as const }
    const where = { host: found.host, port: found.port }
    const words = (code: string, message: string): string => `${code}: ${message}`
    expect(withAnswer(row, { type: 'probed', ...where, facts: { model: 'M' }, channels: [channel('1')] }, words)).toMatchObject({ test: 'ok', problem: '', cameras: [{ code: '1' }] })
    expect(withAnswer(row, { type: 'refused', ...where, code: 'refused', message: 'no' }, words)).toMatchObject({ test: 'refused', problem: 'refused: no' })
    expect(withAnswer(row, { type: 'refused', ...where, code: 'offline', message: 'no' }, words)).toMatchObject({ test: 'failed' })
    expect(untried(row).test).toBe('untried')
    expect(untried({ ...row, test: 'refused' }).test).toBe('refused')
  })

  it('gives its name to its only camera; those of a recorder have their own', () => {
    const one = withProbed(rowOf(found), {}, [channel('1')])
    expect(one.cameras.map((camera) => cameraName(one, camera))).toEqual(['DS-2 10.1.2.3'])
    const many = withProbed(rowOf(found), {}, [channel('1'), channel('2'), { ...channel('g'), kind: 'group' }])
    expect(many.cameras.map((camera) => cameraName(many, camera))).toEqual(['ch 1', 'ch 2'])
  })

  it('is told to be the same as another by serial number and model', () => {
    const facts = { serial_number: 'S1', model: 'M' }
    const first = withProbed(rowOf(found), facts, [])
    const second = withProbed(rowOf({ ...found, host: '10.1.2.9' }), facts, [])
    expect(twinOf(first, [first, second], [])).toBeNull()
    expect(twinOf(second, [first, second], [])).toMatchObject({ name: '10.1.2.3:80' })
    const platform = { id: 'p', name: 'Gate', state: { facts } } as unknown as Platform
    expect(twinOf(first, [first], [platform])).toEqual({ name: 'Gate', platform_id: 'p' })
    expect(twinOf({ ...first, platform_id: 'p' }, [first], [platform])).toBeNull()
  })

  it('is begun again where a reload broke it off', () => {
    expect(kept([{ ...rowOf(found), test: 'testing', make: 'making' }])).toMatchObject([{ test: 'untried', make: 'open' }])
  })
})

describe('one account for many devices', () => {
  const run = async (outcomes: TestOutcome[], abreast = 1) => {
    const tried: number[] = []
    const left = await testInTurn(
      outcomes.map((_outcome, index) => index),
      (index) => {
        tried.push(index)
        return Promise.resolve(outcomes[index]!)
      },
      abreast,
    )
    return { tried, left }
  }

  it('goes no further than the first that refuses it', async () => {
    expect(await run(['refused', 'ok', 'ok'])).toEqual({ tried: [0], left: [1, 2] })
  })

  it('is not judged by a device that does not answer', async () => {
    expect(await run(['failed', 'refused', 'ok'])).toEqual({ tried: [0, 1], left: [2] })
  })

  it('goes on over single refusals, and ends after two in a row', async () => {
    expect(await run(['ok', 'refused', 'ok', 'refused', 'refused', 'ok'])).toEqual({ tried: [0, 1, 2, 3, 4], left: [5] })
  })

  it('is tried alone until it is accepted, then several at a time', async () => {
    let running = 0
    const abreast: number[] = []
    await testInTurn(
      [0, 1, 2, 3, 4],
      async () => {
        running += 1
        abreast.push(running)
        await Promise.resolve()
        running -= 1
        return 'ok' as const
      },
      3,
    )
    expect(abreast[0]).toBe(1)
    expect(Math.max(...abreast)).toBe(3)
  })
})
