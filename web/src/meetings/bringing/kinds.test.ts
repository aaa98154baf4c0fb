import { describe, expect, it } from 'vitest'

import { dialled } from './kinds'

describe('what is typed as a telephone', () => {
  it('is a number, written as people write it', () => {
    expect(dialled(' 0724 422-3456 ')).toBe('tel:0724422-3456')
    expect(dialled('+86 (724) 4223456')).toBe('tel:+867244223456')
  })

  it('is the address of a terminal, with or without its scheme', () => {
    expect(dialled('hall@10.3.0.7')).toBe('sip:hall@10.3.0.7')
    expect(dialled('SIP:hall@10.3.0.7;transport=tcp')).toBe('sip:hall@10.3.0.7;transport=tcp')
  })

  it('is nothing that nobody could dial', () => {
    for (const text of ['', '12', 'the town hall', 'hall@', '110; rm']) expect(dialled(text)).toBeNull()
  })
})
