import { describe, expect, it } from 'vitest'

import { addressesOf, EXAMPLES, fits, isHost, kindOf, newKey, pushAddresses, SOURCE_KINDS } from './source_kinds'

describe('the kind of a source', () => {
  it('is told by the address', () => {
    expect(['rtsp://a', 'RTSPS://a', 'https://a/b', 'rtmp://a/b', 'push://gate', 'gb28181://plf/1', 'file:///a', '', 'odd://x'].map(kindOf)).toEqual([
      'rtsp', 'rtsp', 'http', 'rtmp', 'push', 'platform', 'file', 'rtsp', 'rtsp',
    ])
  })

  it('fits its own example and no other', () => {
    for (const kind of SOURCE_KINDS) {
      if (kind === 'make') continue
      expect(kindOf(EXAMPLES[kind])).toBe(kind)
      for (const other of SOURCE_KINDS) if (other !== 'make') expect([kind, other, fits(other, EXAMPLES[kind])]).toEqual([kind, other, kind === other])
    }
    expect(fits('push', 'push://two words')).toBe(false)
    expect(fits('file', 'file://relative')).toBe(false)
  })
})

describe('the addresses of a make', () => {
  const make = { key: 'x', name: 'X', aliases: [], main: '/a', sub: '/b', nvr_main: '/ch{c}01', nvr_sub: '/p_{c:02}_sub' }

  it('are a camera’s, or a recorder’s with the number of the channel', () => {
    expect(addressesOf(make, '10.1.2.3:554', 1, false)).toEqual({ main_url: 'rtsp://10.1.2.3:554/a', sub_url: 'rtsp://10.1.2.3:554/b' })
    expect(addressesOf(make, '10.1.2.3', 7, true)).toEqual({ main_url: 'rtsp://10.1.2.3/ch701', sub_url: 'rtsp://10.1.2.3/p_07_sub' })
    expect(addressesOf(make, '10.1.2.3', 12, true).sub_url).toBe('rtsp://10.1.2.3/p_12_sub')
  })

  it('need a host, with a port or without', () => {
    expect(['10.1.2.3', 'cam-1.lan:8554', '[fe80::1]:554'].map(isHost)).toEqual([true, true, true])
    expect(['', 'rtsp://a', 'a/b', 'a b'].map(isHost)).toEqual([false, false, false, false])
  })
})

describe('pushing in', () => {
  it('has an address for the encoder, the key within it', () => {
    expect(pushAddresses('gate', 'a&b', 'gw.lan', 1935)).toEqual({ server: 'rtmp://gw.lan/push', stream: 'gate?key=a%26b' })
    expect(pushAddresses('gate', 'k', 'gw.lan', 1936).server).toBe('rtmp://gw.lan:1936/push')
  })

  it('has keys of their own each time', () => {
    const keys = new Set(Array.from({ length: 50 }, newKey))
    expect(keys.size).toBe(50)
    for (const key of keys) expect(key).toMatch(/^[a-z2-9]{20}$/)
  })
})
