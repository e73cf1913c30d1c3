// How the stack tells the layer above.

/** Told once a turn what happened to a connection: EVENT_* bits. */
export type Notify = (events: number) => void
