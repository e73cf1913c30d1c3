// Empties the pools of the core: everything free, in lists that hand out the lowest address first.
// ts/core/js/pools.ts is the twin.

import {
  Account,
  ACCOUNT_BYTES,
  EXTENSION_FREE,
  FREE,
  header,
  Queue,
  QUEUE_BYTES,
  Record,
  RECORD_BYTES,
  Run,
  RUN_BYTES,
  SLOT_META_BYTES,
  SlotMeta,
} from './layout'

/** Chains `count` entries of `bytes` through the word at `link`, lowest address first. */
function chainPool(base: usize, count: u32, bytes: u32, link: usize): void {
  for (let i: u32 = 1; i < count; i++) {
    const entry = base + (i - 1) * bytes
    store<usize>(entry + link, entry + bytes)
  }
}

export function emptyPools(): void {
  memory.fill(header.accountBase, 0, header.slotBase - header.accountBase)

  chainPool(header.accountBase, header.accountCount, ACCOUNT_BYTES, offsetof<Account>('limit'))
  for (let i: u32 = 0; i < header.accountCount; i++) {
    changetype<Account>(header.accountBase + i * ACCOUNT_BYTES).used = FREE
  }
  header.accountHead = header.accountBase
  header.accountsFree = header.accountCount

  chainPool(header.queueBase, header.queueCount, QUEUE_BYTES, offsetof<Queue>('root'))
  for (let i: u32 = 0; i < header.queueCount; i++) {
    changetype<Queue>(header.queueBase + i * QUEUE_BYTES).mode = FREE
  }
  header.queueHead = changetype<Queue>(header.queueBase)
  header.queuesFree = header.queueCount

  chainPool(header.runBase, header.runCount, RUN_BYTES, offsetof<Run>('next'))
  header.runHead = changetype<Run>(header.runBase)
  header.runsFree = header.runCount

  chainPool(header.recordBase, header.recordCount, RECORD_BYTES, offsetof<Record>('next'))
  header.recordHead = changetype<Record>(header.recordBase)
  header.recordsFree = header.recordCount

  for (let handle: u32 = 1; handle <= header.extensionCount; handle++) {
    const next = handle < header.extensionCount ? handle + 1 : 0
    store<u32>(header.extensionBase + ((<usize>handle) << 2), EXTENSION_FREE | next)
  }
  header.extensionHead = 1
  header.extensionsFree = header.extensionCount
  header.freedCount = 0

  for (let slot: u32 = 1; slot < header.slotCount; slot++) {
    const meta = header.slotMetaBase + (slot - 1) * SLOT_META_BYTES
    changetype<SlotMeta>(meta).account = slot + 1
  }
  header.slotHead = 1
  header.slotsFree = header.slotCount

  // xorshift32 stays at 0 for ever; any other state is the host's to choose.
  if (header.priorityState == 0) header.priorityState = 0x9e3779b9
  header.resultSum = 0
  header.resultVerdict = 0
  header.resultDuplicate = 0
  header.resultRefused = 0
}
