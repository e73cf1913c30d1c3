// As long as a socket is open and was not unref()ed the process does not end by itself, as with Node's own.

/** Node's longest. */
const LONG_MS = 2 ** 31 - 1

let holds = 0
let timer: NodeJS.Timeout | null = null

export class ProcessHold {
  #isOpen = false
  #isRef = true
  #holds = false

  /** Its socket is open, or closed. */
  set isOpen(isOpen: boolean) {
    this.#isOpen = isOpen
    this.#settle()
  }

  get isRef(): boolean {
    return this.#isRef
  }

  set isRef(isRef: boolean) {
    this.#isRef = isRef
    this.#settle()
  }

  #settle(): void {
    const should = this.#isOpen && this.#isRef
    if (should === this.#holds) return
    this.#holds = should
    holds += should ? 1 : -1
    if (holds > 0) timer ??= setInterval(() => {}, LONG_MS)
    else if (timer !== null) {
      clearInterval(timer)
      timer = null
    }
  }
}
