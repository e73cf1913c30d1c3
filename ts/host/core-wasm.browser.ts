// As core-wasm.ts, over the network: a browser reads no file at once.

export const NO_CORE_WASM =
  "cannot fetch core.wasm; hand its bytes in as `wasm`, or ask for the backend 'js'"

export function readCoreWasm(): Uint8Array | null {
  return null
}

export async function fetchCoreWasm(): Promise<Uint8Array> {
  // One expression, which is what bundlers look for to put the file where the URL then points.
  const response = await fetch(new URL('../../build/core.wasm', import.meta.url))
  if (!response.ok) throw new Error(`${response.url} answered with status ${response.status}`)
  return new Uint8Array(await response.arrayBuffer())
}
