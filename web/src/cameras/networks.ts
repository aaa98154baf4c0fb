/** Addresses and networks as people type them: one a line, or between commas and blanks. */

export function networksOf(text: string): string[] {
  return text.split(/[\s,;，；]+/).filter((part) => part !== '')
}

/** Whether the gateway will take it: IPv4 or IPv6, with or without a prefix length. */
export function isNetwork(text: string): boolean {
  const [address = '', prefix, ...rest] = text.split('/')
  if (rest.length > 0) return false
  const isV4 = /^(\d{1,3})(\.\d{1,3}){3}$/.test(address) && address.split('.').every((part) => Number(part) <= 255)
  const isV6 = !isV4 && /^[0-9a-f:]*:[0-9a-f:.]*$/i.test(address)
  if (!isV4 && !isV6) return false
  return prefix === undefined || (/^\d{1,3}$/.test(prefix) && Number(prefix) <= (isV4 ? 32 : 128))
}
