// The ABI of the core: what the WebAssembly module exports, and nothing else (a test pins the list).
// The contract is ts/core/core.ts; the memory map, ts/core/layout.ts.

export { mptcp_checksum, mptcp_copy_checksum } from './checksum'
export { mptcp_hmac_sha256 } from './hmac'
export {
  mptcp_queue_collapse,
  mptcp_queue_find_run,
  mptcp_queue_insert,
  mptcp_queue_pop,
  mptcp_queue_prune,
  mptcp_queue_release,
  mptcp_queue_take,
} from './ofo-queue'
export {
  mptcp_account_release,
  mptcp_account_take,
  mptcp_chain_copy,
  mptcp_chain_free,
  mptcp_extension_hold,
  mptcp_extension_recycle,
  mptcp_extension_release,
  mptcp_extension_take,
  mptcp_payload_take,
  mptcp_record_free,
  mptcp_record_slack,
  mptcp_record_slice,
  mptcp_record_sum,
  mptcp_record_take,
  mptcp_reset,
} from './segment-buffers'
export {
  mptcp_sha256,
  mptcp_sha256_blocks,
  mptcp_sha256_finish,
  mptcp_sha256_start,
} from './sha256'
