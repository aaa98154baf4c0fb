/** ICE servers from `Link` headers (RFC 8288; WHEP as WHIP, RFC 9725 §4.6). */

function split(text: string, separator: ',' | ';'): string[] {
  const parts: string[] = []
  let start = 0
  let inQuotes = false
  let inAddress = false
  for (let index = 0; index < text.length; index += 1) {
    const character = text[index]
    if (inQuotes) {
      if (character === '\\') index += 1
      else if (character === '"') inQuotes = false
    } else if (character === '"') inQuotes = true
    else if (character === '<') inAddress = true
    else if (character === '>') inAddress = false
    else if (character === separator && !inAddress) {
      parts.push(text.slice(start, index))
      start = index + 1
    }
  }
  parts.push(text.slice(start))
  return parts.map((part) => part.trim()).filter((part) => part !== '')
}

function unquote(value: string): string {
  return value.startsWith('"') && value.endsWith('"') && value.length > 1
    ? value.slice(1, -1).replace(/\\(.)/g, '$1')
    : value
}

/** Links of other relations, and what is malformed, are left out. */
export function iceServersOf(header: string | null): RTCIceServer[] {
  const servers: RTCIceServer[] = []
  for (const link of header === null ? [] : split(header, ',')) {
    const [address, ...parameters] = split(link, ';')
    const url = /^<\s*((?:stun|stuns|turn|turns):[^>\s]+)\s*>$/.exec(address ?? '')?.[1]
    if (url === undefined) continue
    const values = new Map<string, string>()
    for (const parameter of parameters) {
      const equals = parameter.indexOf('=')
      if (equals > 0) {
        values.set(parameter.slice(0, equals).trim().toLowerCase(), unquote(parameter.slice(equals + 1).trim()))
      }
    }
    if (!(values.get('rel') ?? '').split(/\s+/).includes('ice-server')) continue
    const server: RTCIceServer = { urls: url }
    const username = values.get('username')
    const credential = values.get('credential')
    if (username !== undefined) server.username = username
    if (credential !== undefined) server.credential = credential
    servers.push(server)
  }
  return servers
}
