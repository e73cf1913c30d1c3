// The core's microbenchmarks, as `mptcp bench` runs them.

import { runCoreBench } from '../ts/cli/bench.js'

await runCoreBench({ backends: ['wasm', 'js'], out: console.log })
