import fc from 'fast-check'
import { describe, expect, it } from 'vitest'

import { isNetwork, networksOf } from './networks'

describe('networks as people type them', () => {
  it('are taken apart at lines, blanks and commas of either kind', () => {
    expect(networksOf(' 10.1.2.3\n10.1.2.0/24，192.168.0.1, ::1 ')).toEqual(['10.1.2.3', '10.1.2.0/24', '192.168.0.1', '::1'])
    expect(networksOf(' \n')).toEqual([])
  })

  it('are told from what is none', () => {
    for (const good of ['10.1.2.3', '0.0.0.0/0', 'fd00::/8', '::1', '2001:db8::1/128']) expect(isNetwork(good), good).toBe(true)
    for (const bad of ['10.1.2', '10.1.2.256', '10.1.2.3/33', '10.0.0.0/8/8', 'gate', 'fd00::/129', '10.1.2.3/']) {
      expect(isNetwork(bad), bad).toBe(false)
    }
  })

  it('of every IPv4 network are taken', () => {
    fc.assert(
      fc.property(fc.ipV4(), fc.integer({ min: 0, max: 32 }), (address, prefix) => isNetwork(`${address}/${prefix}`)),
    )
  })
})
