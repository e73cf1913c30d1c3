// ICMP types and codes by packetdrill's names: RFC 792, RFC 1122, RFC 1812 (codes 13 to 15), RFC 4443.

interface IcmpType {
  readonly type: number
  readonly codes?: Readonly<Record<string, number>>
}

const V4: Readonly<Record<string, IcmpType>> = {
  echo_reply: { type: 0 },
  unreachable: {
    type: 3,
    codes: {
      net_unreachable: 0,
      host_unreachable: 1,
      protocol_unreachable: 2,
      port_unreachable: 3,
      frag_needed: 4,
      source_route_failed: 5,
      net_unknown: 6,
      host_unknown: 7,
      source_host_isolated: 8,
      net_prohibited: 9,
      host_prohibited: 10,
      net_unreachable_for_tos: 11,
      host_unreachable_for_tos: 12,
      packet_filtered: 13,
      precedence_violation: 14,
      precedence_cutoff: 15,
    },
  },
  source_quench: { type: 4 },
  redirect: { type: 5 },
  echo_request: { type: 8 },
  time_exceeded: { type: 11 },
  parameter_problem: { type: 12 },
  timestamp_request: { type: 13 },
  timestamp_reply: { type: 14 },
  information_request: { type: 15 },
  information_reply: { type: 16 },
  address_mask_request: { type: 17 },
  address_mask_reply: { type: 18 },
}

const V6: Readonly<Record<string, IcmpType>> = {
  unreachable: {
    type: 1,
    codes: {
      net_unreachable: 0,
      no_route: 0,
      admin_prohibited: 1,
      not_neighbour: 2,
      address_unreachable: 3,
      port_unreachable: 4,
    },
  },
  packet_too_big: { type: 2 },
  time_exceeded: { type: 3, codes: { exceeded_hop_limit: 0, exceeded_frag_time: 1 } },
  parameter_problem: {
    type: 4,
    codes: { header_field: 0, unknown_next_header: 1, unknown_option: 2 },
  },
  echo_request: { type: 128 },
  echo_reply: { type: 129 },
}

/** Of both families, each once. */
export const ICMP_TYPES: readonly string[] = [
  ...new Set([...Object.keys(V4), ...Object.keys(V6), 'type_N']),
]

/** The names of a type's codes, in either family. */
export function icmpCodes(type: string): string[] {
  const of = (types: Readonly<Record<string, IcmpType>>): string[] =>
    Object.hasOwn(types, type) ? Object.keys(types[type]!.codes ?? {}) : []
  return [...new Set([...of(V4), ...of(V6), 'code_N'])]
}

/**
 * Type and code of `unreachable frag_needed`, also of `type_3 code_4`; no code is code 0. null if the
 * family (4 or 6) knows no such name.
 */
export function icmpNumbers(
  family: 4 | 6,
  type: string,
  code: string | null,
): { type: number; code: number } | null {
  const types = family === 4 ? V4 : V6
  const named = Object.hasOwn(types, type) ? types[type]! : null
  const typeNumber = named?.type ?? numbered('type_', type)
  if (typeNumber === null) return null
  if (code === null) return { type: typeNumber, code: 0 }
  const codes = named?.codes ?? {}
  const codeNumber = Object.hasOwn(codes, code) ? codes[code]! : numbered('code_', code)
  return codeNumber === null ? null : { type: typeNumber, code: codeNumber }
}

/** The names of a type and code; numbers where there is none, null for a code of 0. */
export function icmpNames(
  family: 4 | 6,
  type: number,
  code: number,
): { type: string; code: string | null } {
  const types = family === 4 ? V4 : V6
  const named = Object.entries(types).find((entry) => entry[1].type === type)
  const codes = Object.entries(named?.[1].codes ?? {})
  const codeName = codes.find((entry) => entry[1] === code)?.[0] ?? `code_${code}`
  return {
    type: named?.[0] ?? `type_${type}`,
    code: code === 0 && codes.length === 0 ? null : codeName,
  }
}

function numbered(prefix: string, name: string): number | null {
  const digits = name.startsWith(prefix) ? name.slice(prefix.length) : ''
  return /^[0-9]{1,3}$/.test(digits) && Number(digits) <= 0xff ? Number(digits) : null
}
