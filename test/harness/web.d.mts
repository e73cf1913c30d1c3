import type { Duplex } from 'node:stream'

export type WebKind = 'http' | 'https' | 'http2' | 'tls' | 'ws'
export const WEB_KINDS: readonly WebKind[]
/** What goes wrong on a connection is told to `failed`. */
export function webServer(
  kind: WebKind,
  failed: (error: Error) => void,
): { accept(socket: Duplex): void; close(): void }
/** Uploads and downloads `bytes`, on one connection that `connect` makes; rejects where anything differs. */
export function webClient(kind: WebKind, connect: () => Duplex, bytes: number): Promise<void>
/** What a file of so many bytes has to hold. */
export function webFile(length: number): Buffer
/** Asks for files of these lengths on one connection; rejects where anything differs. */
export function webFiles(connect: () => Duplex, lengths: readonly number[]): Promise<void>
