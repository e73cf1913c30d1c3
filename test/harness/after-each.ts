// What holds after each test of each file: every conversation has ended, and its stack holds nothing. A
// setup file of vitest, since files of the unit tests share their workers and what these have loaded.

import { afterEach } from 'vitest'
import { closeAll } from './conversation.js'

afterEach(closeAll)
