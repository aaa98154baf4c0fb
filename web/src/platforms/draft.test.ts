import { describe, expect, it } from 'vitest'

import type { Platform } from '@/api/platforms'

import { draftOf, emptyDraft, formOf, optionFields, problemsOf, turned } from './draft'

const CODE = '34020000001320000001'

describe('the form of a platform', () => {
  it('asks a camera for its address and a national-standard device for its code', () => {
    expect(Object.keys(problemsOf(emptyDraft({ kind: 'onvif' })))).toEqual(['name', 'area_id', 'host'])
    expect(Object.keys(problemsOf(emptyDraft({ kind: 'gb28181' })))).toEqual(['name', 'area_id', 'code'])
    const above = emptyDraft({ kind: 'gb28181', direction: 'above' })
    expect(Object.keys(problemsOf(above))).toEqual(['name', 'area_id', 'host', 'code'])
  })

  it('takes a code of twenty digits and nothing else', () => {
    const draft = { ...emptyDraft({ kind: 'gb28181' }), name: 'n', area_id: 'a' }
    expect(problemsOf({ ...draft, code: '3402000000132000000' })).toEqual({ code: 'code20' })
    expect(problemsOf({ ...draft, code: `${CODE}x` })).toEqual({ code: 'code20' })
    expect(problemsOf({ ...draft, code: ` ${CODE} ` })).toEqual({})
  })

  it('takes a host, not an address of a page', () => {
    const draft = { ...emptyDraft({ kind: 'onvif' }), name: 'n', area_id: 'a' }
    expect(problemsOf({ ...draft, host: 'http://10.1.2.3/' })).toEqual({ host: 'hostOnly' })
    expect(problemsOf({ ...draft, host: '10.1.2.3' })).toEqual({})
  })

  it('gives nothing away unless somebody says so', () => {
    const { options } = emptyDraft({ kind: 'gb28181', direction: 'above' })
    const giving = optionFields('gb28181', 'above').filter(({ gives }) => gives)
    expect(giving.map(({ name }) => options[name])).toEqual([false, false, false, false])
  })

  it('keeps a password that nobody touched, and forgets one when told to', () => {
    const draft = { ...emptyDraft({ kind: 'onvif', host: '10.1.2.3' }), name: 'n', area_id: 'a' }
    expect('password' in formOf(draft, false)).toBe(false)
    expect(formOf({ ...draft, forgetPassword: true }, false).password).toBeNull()
    expect(formOf({ ...draft, password: 'p' }, false).password).toBe('p')
    expect('password' in formOf({ ...draft, forgetPassword: true }, true)).toBe(false)
  })

  it('keeps options that it does not know, and leaves to the gateway what is empty', () => {
    const platform = { kind: 'gat1400', direction: 'above', name: 'n', area_id: 'a', options: { local_code: '', other: 7 } } as unknown as Platform
    expect(formOf(draftOf(platform), false).options).toEqual({ local_code: null, trust_address: false, other: 7 })
  })

  it('turns to another kind with what still means something', () => {
    const draft = { ...emptyDraft({ kind: 'gb28181', direction: 'above', host: 'h', code: CODE }), name: 'n' }
    expect(turned(draft, { kind: 'onvif' })).toMatchObject({ kind: 'onvif', direction: 'below', name: 'n', host: 'h', port: 80 })
    expect(Object.keys(turned(draft, { kind: 'gat1400' }).options)).toEqual(['local_code', 'trust_address'])
  })
})
