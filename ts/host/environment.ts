// The environment that the process was started in. In a browser: environment.browser.ts.

/** What the environment says under `name`; undefined if nothing. */
export function environmentVariable(name: string): string | undefined {
  return process.env[name]
}
