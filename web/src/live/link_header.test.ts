import { describe, expect, it } from 'vitest'

import { iceServersOf } from './link_header'

describe('ICE servers in Link headers', () => {
  it('reads the example of RFC 9725 §4.6', () => {
    const header =
      '<stun:stun.example.net>; rel="ice-server", ' +
      '<turn:turn.example.net?transport=udp>; rel="ice-server"; username="user"; credential="myPassword"; credential-type="password", ' +
      '<turns:turn.example.net?transport=tcp>; rel="ice-server"; username="user"; credential="myPassword"'
    expect(iceServersOf(header)).toEqual([
      { urls: 'stun:stun.example.net' },
      { urls: 'turn:turn.example.net?transport=udp', username: 'user', credential: 'myPassword' },
      { urls: 'turns:turn.example.net?transport=tcp', username: 'user', credential: 'myPassword' },
    ])
  })

  it('keeps commas, semicolons and quotes inside quoted values', () => {
    expect(iceServersOf('<turn:t>; rel=ice-server; username="a,b;c"; credential="say \\"x\\""')).toEqual([
      { urls: 'turn:t', username: 'a,b;c', credential: 'say "x"' },
    ])
  })

  it('leaves out other relations, other schemes and what is malformed', () => {
    expect(iceServersOf('<https://x.example/>; rel="ice-server", <stun:a>; rel="next", stun:b; rel=ice-server')).toEqual([])
    expect(iceServersOf('<<<;;;,,,"')).toEqual([])
    expect(iceServersOf(null)).toEqual([])
  })
})
