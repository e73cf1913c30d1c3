// The part of WebAssembly's JavaScript API that wasm.ts uses: TypeScript declares it only with the DOM,
// which does not exist here.

declare namespace WebAssembly {
  type Bytes = ArrayBuffer | ArrayBufferView
  class Module {
    constructor(bytes: Bytes)
    static exports(module: Module): { name: string; kind: string }[]
  }
  class Memory {
    constructor(size: { initial: number; maximum: number })
    readonly buffer: ArrayBuffer
  }
  class Instance {
    readonly exports: Record<string, unknown>
  }
  function compile(bytes: Bytes): Promise<Module>
  function validate(bytes: Bytes): boolean
}
