// All that this stack asks of a browser by name, and nothing more: what tsconfig.browser.json compiles
// against instead of @types/node.

interface ImportMeta {
  readonly url: string
}

declare const performance: { now(): number }
declare const console: { warn(message: unknown): void }
declare const crypto: { getRandomValues(bytes: Uint8Array): Uint8Array }

declare function setTimeout(callback: () => void, delayMs: number): number
declare function clearTimeout(timeout: number): void

declare class TextEncoder {
  encode(text: string): Uint8Array
}

declare class URL {
  constructor(url: string, base: string)
}

declare function fetch(url: URL): Promise<{
  readonly ok: boolean
  readonly status: number
  readonly url: string
  arrayBuffer(): Promise<ArrayBuffer>
}>

declare class MessageChannel {
  readonly port1: object
  readonly port2: { postMessage(message: null): void }
}
